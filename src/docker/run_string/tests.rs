use proptest::prelude::*;

use super::*;
use crate::{
    docker::{fixture, flags::FlagError, port::PortError, shell::SplitErrorKind},
    domain::ServerName,
};

fn parse(text: &str) -> RunString {
    RunString::parse(text).unwrap_or_else(|e| panic!("{text}: {e}: {}", e.hint()))
}

fn refused(text: &str) -> RunStringError {
    RunString::parse(text).err().unwrap_or_else(|| panic!("{text} was taken"))
}

fn completed(text: &str) -> Completed {
    let name = ServerName::new("finance").unwrap_or_else(|e| panic!("{e}"));
    complete(text, &name).unwrap_or_else(|e| panic!("{text}: {e}"))
}

#[test]
fn a_full_string_is_read() {
    let run = parse(
        "docker run -itd --name finance --restart=unless-stopped -p 127.0.0.1:8080:80 -p53:53/udp -e API_KEY=secret -e HOME \
         --env-file ./env -v /srv/data/:/data:ro -v cache:/cache --mount 'type=tmpfs,dst=/ram' --tmpfs /run:size=1m \
         --entrypoint /bin/app --network net -l a=b -u 1:1 -h box registry.example.org:5000/team/finance:1.2 serve --port 80",
    );
    assert_eq!(run.container_name(), Some("finance"));
    assert_eq!(run.image(), "registry.example.org:5000/team/finance:1.2");
    assert_eq!(run.arguments(), Some(&["serve".to_owned(), "--port".to_owned(), "80".to_owned()][..]));
    assert!(run.detached() && run.interactive() && run.tty() && !run.removes_itself());
    assert_eq!(run.restart_policy(), Some("unless-stopped"));
    assert_eq!(run.ports().iter().map(ToString::to_string).collect::<Vec<_>>(), ["127.0.0.1:8080:80", "53:53/udp"]);
    assert_eq!(run.first_published_port(), Some(8080));
    assert_eq!(run.env_names(), [("API_KEY".to_owned(), true), ("HOME".to_owned(), false)]);
    assert_eq!(run.env_files(), ["./env"]);
    assert!(!run.env_is_known());
    let mounts: Vec<String> = run.mounts().iter().map(|m| m.mount.to_string()).collect();
    assert_eq!(mounts, ["/srv/data:/data:ro", "cache:/cache", "tmpfs /ram", "tmpfs /run"]);
    assert_eq!((run.entrypoint(), run.network()), (Some("/bin/app"), Some("net")));
    assert_eq!(run.labels(), ["a"]);
}

#[test]
fn every_captured_run_string_that_is_one_command_is_read() {
    for version in fixture::VERSIONS {
        for case in fixture::cases(&format!("{version}/run")) {
            let text = fixture::read(&format!("{version}/run/{case}.cmd"));
            if text.starts_with("docker") {
                let run = parse(&text);
                assert_eq!(run.container_name(), Some(case.as_str()), "{version}");
                assert!(run.detached());
            }
        }
    }
}

#[test]
fn flags_of_docker_itself_and_the_long_form_of_run_are_read() {
    for text in [
        "docker -H unix:///run/x.sock run -d --name ab img",
        "docker --context x --debug run -d --name ab img",
        "docker container run -d --name ab img",
        "docker -Dl debug --tls=false container run -d --name ab img",
        "docker run -d --name ab -- img",
        "'docker' \"run\" -d --name ab img",
    ] {
        assert_eq!(parse(text).image(), "img", "{text}");
    }
}

#[test]
fn the_last_name_wins_as_in_docker() {
    assert_eq!(parse("docker run -d --name one --name two img").container_name(), Some("two"));
}

#[test]
fn names_that_mcp_gives_to_containers_it_keeps_aside_are_refused() {
    for name in ["finance.mcp-previous", "finance.mcp-rollback"] {
        let refused = RunString::parse(&format!("docker run -d --name {name} img"));
        assert_eq!(refused.err(), Some(RunStringError::NameReserved(name.to_owned())));
    }
    assert_eq!(
        parse("docker run -d --name finance.mcp-previously img").container_name(),
        Some("finance.mcp-previously")
    );
}

#[test]
fn the_last_pull_policy_is_read() {
    assert_eq!(parse("docker run -d --name ab img").pull_policy(), None);
    assert_eq!(parse("docker run -d --name ab --pull always --pull=never img").pull_policy(), Some("never"));
    assert_eq!(parse("docker run -d --name ab --pull $P img").pull_policy(), None);
}

#[test]
fn what_is_missing_is_added_after_run_and_the_rest_stays() {
    for (text, whole, added) in [
        ("docker run img", "docker run -d --name finance img", &["-d", "--name finance"][..]),
        (
            "docker  run  -p 1:1   img 'a  b'",
            "docker  run -d --name finance  -p 1:1   img 'a  b'",
            &["-d", "--name finance"],
        ),
        ("docker run --name x1 img", "docker run -d --name x1 img", &["-d"]),
        ("docker container run -d img", "docker container run --name finance -d img", &["--name finance"]),
        ("docker run -d --name x1 img\n", "docker run -d --name x1 img", &[]),
        ("docker -H run run img run", "docker -H run run -d --name finance img run", &["-d", "--name finance"]),
        (
            "docker run \\\n  -p 1:1 \\\r\n  img\r\n",
            "docker run -d --name finance -p 1:1 img",
            &["-d", "--name finance"],
        ),
    ] {
        assert_eq!(
            completed(text),
            Completed { text: whole.into(), added: added.iter().map(|a| (*a).to_owned()).collect() }
        );
    }
}

#[test]
fn a_string_for_single_connections_is_registered_as_it_is() {
    for text in [
        "docker run -i --rm acme/x",
        "docker run --rm -i -e KEY acme/x --stdio",
        "docker run -i acme/x",
        "docker run --interactive=true --rm --name x1 acme/x",
        "docker run -i --detach=false acme/x",
        "docker run -i --rm -p 127.0.0.1:1:1 acme/x",
    ] {
        assert!(parse(text).is_on_demand(), "{text}");
        assert_eq!(completed(text), Completed { text: text.to_owned(), added: Vec::new() });
    }
    for text in
        ["docker run -di acme/x", "docker run -itd acme/x", "docker run -d -i --rm acme/x", "docker run --rm acme/x"]
    {
        assert!(!parse(text).is_on_demand(), "{text}");
        assert!(completed(text).text.contains("--name finance"), "{text}");
    }
}

#[test]
fn a_word_that_docker_cannot_take_for_an_image_is_shown() {
    for (text, word, hint) in [
        ("docker run -d MCP/Xyz:V1", "MCP/Xyz:V1", "`mcp/xyz:V1`"),
        ("docker run -d x/y:", "x/y:", "tag"),
        ("docker run -d x/y:1:2 serve", "x/y:1:2", "first word after the flags"),
        ("docker run -d http://h/x", "http://h/x", "://"),
        ("docker run -d 'x/y\u{a0}'", "x/y\u{a0}", "first word"),
        ("docker run -d -e A= b c", "b", ""),
        ("docker run -d -e KEY = x", "=", "first word"),
        ("docker run -d https://u:hunter2-c0rrect@h/x", "https://u:***@h/x", "://"),
    ] {
        match RunString::parse(text) {
            Err(RunStringError::Image { word: found, source }) => {
                assert_eq!(found, word, "{text}");
                let error = RunStringError::Image { word: found, source };
                assert!(error.to_string().contains(word) && error.hint().contains(hint), "{text}: {}", error.hint());
            }
            other => assert!(hint.is_empty() && other.is_ok_and(|run| run.image() == word), "{text}"),
        }
    }
    assert!(parse("docker run -d $IMG").image_is_unresolved());
}

#[test]
fn forms_of_windows_are_refused_with_their_place() {
    for (text, found, column) in [
        ("docker run -d -v %cd%:/data x", "%cd%", 18),
        ("docker run -d -v \"%CD%\":/data x", "%CD%", 19),
        ("docker run -d -v %USERPROFILE%\\x:/data x", "%USERPROFILE%", 18),
        ("docker run -d -e HOME=%HOMEPATH% x", "%HOMEPATH%", 23),
        ("docker run -d --mount type=bind,source=%MYDIR%/a,target=/a x", "%MYDIR%", 40),
        ("docker run -d -v $env:USERPROFILE/x:/x x", "$env:USERPROFILE", 18),
        ("docker run -d -v '${env:APPDATA}:/x' x", "${env:APPDATA", 19),
        ("docker run -d -v ${pwd}:/x x", "${pwd", 18),
        ("docker run -d -v $pwd:/x x", "$pwd", 18),
        ("docker run -d -v C:\\Users\\me:/data x", "C:\\", 18),
        ("docker run -d -v 'c:/Users/me:/data' x", "c:/", 19),
        ("docker run -d -vC:\\data:/data x", "C:\\", 17),
        ("docker run -d --volume=C:\\data:/data x", "C:\\", 24),
        ("docker run -d --mount type=bind,source=D:\\x,target=/x x", "D:\\", 40),
        ("docker run -d --env-file C:\\env x", "C:\\", 26),
        ("docker run -d -v \\\\\\\\server\\share:/x x", "\\\\", 18),
    ] {
        match refused(text) {
            RunStringError::Windows { found: what, column: at, .. } => {
                assert_eq!((what.as_str(), at), (found, column), "{text}")
            }
            other => panic!("{text}: {other:?}"),
        }
    }
    for text in [
        "docker run -d -e FORMAT=%Y%m%d x",
        "docker run -d -e FORMAT='%d%/%m' x date +%H%M%S",
        "docker run -d -v $PWD:/x -v ${PWD}/y:/y x",
        "docker run -d -v data:/x -v /c/d:/e x",
        "docker run -d -e URL=c:/x x",
        "docker run -d x cmd %cd% C:\\\\x",
        "docker run -d -v $env:/x x",
    ] {
        parse(text);
    }
}

#[test]
fn completing_twice_adds_nothing() {
    let once = completed("docker run -p 8080:80 img");
    assert_eq!(completed(&once.text), Completed { text: once.text, added: Vec::new() });
}

#[test]
fn every_refusal_has_its_kind_and_says_what_to_write() {
    let not_run = |found: &str| RunStringError::NotADockerRun { found: found.to_owned() };
    let unknown = |given: &str, suggestion: Option<&str>| {
        RunStringError::Flag(FlagError::Unknown { given: given.to_owned(), suggestion: suggestion.map(str::to_owned) })
    };
    for (text, error, hint) in [
        ("", not_run("it is empty"), "docker run -d"),
        ("docker", not_run("no command follows `docker`"), "docker run -d"),
        ("docker ps -a", not_run("it is a `docker ps`"), "docker run -d"),
        ("docker container ls", not_run("it is a `docker container ls`"), "docker run -d"),
        ("podman run -d img", not_run("it begins with `podman`"), "hosts.yaml"),
        ("sudo docker run -d img", not_run("it begins with `sudo`"), "sudo -n docker"),
        ("DOCKER_HOST=secret docker run img", not_run("it begins with `DOCKER_HOST`"), "hosts.yaml"),
        ("docker run -it img", RunStringError::Terminal { flags: "-it" }, "write `-i`"),
        ("docker run -t img", RunStringError::Terminal { flags: "-t" }, "`-d` in place of `-t`"),
        ("docker run -it --detach=false img", RunStringError::Terminal { flags: "-it" }, "write `-i`"),
        ("docker run -i --restart always img", RunStringError::OnDemandRestart { policy: "always".into() }, "leave"),
        ("docker run -a stdout img", RunStringError::Attached, "leave"),
        ("docker run -d -a stdout img", RunStringError::Attached, "leave"),
        ("docker run -d --detach=false img", RunStringError::Foreground, "`-d`"),
        (
            "docker run -d --rm --restart always img",
            RunStringError::RemoveAndRestart { policy: "always".into() },
            "leave one",
        ),
        ("docker run -d --restart sometimes img", RunStringError::RestartPolicy("sometimes".into()), "unless-stopped"),
        ("docker run -d --restart always:3 img", RunStringError::RestartPolicy("always:3".into()), "unless-stopped"),
        ("docker run -d --name -x img", RunStringError::Name("-x".into()), "at least two"),
        ("docker run -d --name a img", RunStringError::Name("a".into()), "at least two"),
        ("docker run -d --name 'a b' img", RunStringError::Name("a b".into()), "at least two"),
        ("docker run -d --name é1 img", RunStringError::Name("é1".into()), "at least two"),
        ("docker run -d --name $N img", RunStringError::NameUnresolved("$N".into()), "write the name out"),
        ("docker run -d --name ab", RunStringError::NoImage, "IMAGE"),
        ("docker run -d --name ab ''", RunStringError::NoImage, "IMAGE"),
        ("docker run --help", RunStringError::Help, "leave"),
        ("docker run --detatch img", unknown("--detatch", Some("--detach")), "`--detach`?"),
        ("docker --contxt x run img", unknown("--contxt", Some("--context")), "`--context`?"),
        ("docker run -d --name", RunStringError::Flag(FlagError::NoValue("--name".into())), "--name VALUE"),
        (
            "docker run -d -p 99999:80 img",
            RunStringError::Port { given: "99999:80".into(), source: PortError::NotAPort("99999".into()) },
            "127.0.0.1:8080:80",
        ),
        ("docker run -d -v a:b:c:d img", RunStringError::Mount { flag: "--volume" }, "-v SOURCE"),
        ("docker run -d -v data:relative img", RunStringError::Mount { flag: "--volume" }, "-v SOURCE"),
        ("docker run -d --mount type=bind,source=/a img", RunStringError::Mount { flag: "--mount" }, "target="),
        ("docker run -d -e =x img", RunStringError::EnvironmentName, "NAME=VALUE"),
    ] {
        let found = refused(text);
        assert_eq!(found, error, "{text}");
        assert!(found.hint().contains(hint), "{text}: {}", found.hint());
    }
}

#[test]
fn control_operators_are_refused_with_their_place() {
    for (text, kind) in [
        ("docker run -d img; reboot", SplitErrorKind::Operator(";")),
        ("docker run -d img && reboot", SplitErrorKind::Operator("&&")),
        ("docker run -d img | tee x", SplitErrorKind::Operator("|")),
        ("docker run -d img > x", SplitErrorKind::Operator(">")),
        ("docker run -d img $(id)", SplitErrorKind::Substitution("$(")),
        ("docker run -d -e \"A=`id`\" img", SplitErrorKind::Substitution("`")),
        ("docker run -d img\nreboot", SplitErrorKind::Newline),
    ] {
        match refused(text) {
            RunStringError::Shell(error) => assert_eq!(error.kind, kind, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn neither_errors_nor_debug_output_repeat_values_of_the_environment() {
    for text in [
        "docker run -d -e KEY=hunter2 --nope img",
        "docker run -d --env-fil=hunter2 img",
        "docker run -d -e KEY=hunter2 -e",
        "docker run -it -e KEY=hunter2 img",
        "docker run --detach=hunter2 img",
        "DOCKER_HOST=hunter2 docker run img",
    ] {
        let error = refused(text);
        assert!(!format!("{error} {error:?} {}", error.hint()).contains("hunter2"), "{text}: {error:?}");
    }
    assert!(!format!("{:?}", parse("docker run -d -e KEY=hunter2 img")).contains("hunter2"));
}

#[test]
fn variables_are_left_to_the_host_and_nothing_is_judged_by_them() {
    let run = parse(
        "docker run -d --name ab -p $PORT:80 -p 127.0.0.1:${OTHER:-81}:81 -p 8082:82 -e $ALL -e KEY=$SECRET -v $HOME/x:/x -v ~/y:/y \
         -v ${D:-/a:b}:/z --restart $POLICY \"$REGISTRY/img\" --port $PORT",
    );
    assert_eq!(run.ports().len(), 1);
    assert!(!run.ports_are_known() && !run.env_is_known());
    assert_eq!(run.first_published_port(), Some(8082));
    assert_eq!(run.env_names(), [("KEY".to_owned(), true)]);
    assert_eq!(run.restart_policy(), None);
    assert!(run.image_is_unresolved());
    assert_eq!(run.arguments(), None);
    for mount in run.mounts() {
        assert!(mount.source_unresolved && !mount.target_unresolved, "{mount:?}");
    }
    assert_eq!(run.mounts().iter().map(|m| m.mount.target.as_str()).collect::<Vec<_>>(), ["/x", "/y", "/z"]);
    assert!(parse("docker run -d --rm --restart $P img").restart_policy().is_none());
    assert!(!parse("docker run -d -v $MOUNT img").mounts_are_known());
}

#[test]
fn a_dollar_in_single_quotes_is_the_container_s_own() {
    let run = parse("docker run -d -e 'KEY=$x' img sh -c 'echo $HOME; sleep 1'");
    assert_eq!(run.arguments().map(<[String]>::len), Some(3));
    assert!(run.env_is_known());
}

#[test]
fn published_ports_of_two_strings_conflict_by_number_address_and_protocol() {
    let with = |ports: &str| parse(&format!("docker run -d {ports} img"));
    for (mine, theirs, conflicts) in [
        ("-p 8080:80", "-p 8080:81", 1),
        ("-p 127.0.0.1:8080:80", "-p 0.0.0.0:8080:80", 1),
        ("-p 127.0.0.1:8080:80", "-p 127.0.0.2:8080:80", 0),
        ("-p 8080:80/udp", "-p 8080:80/tcp", 0),
        ("-p 80", "-p 80", 0),
        ("-p $PORT:80", "-p $PORT:80", 0),
        ("-p 0:80", "-p 0:80", 0),
        ("--network host -p 8080:80", "--network host -p 8080:80", 0),
        ("--network host -p 8080:80", "-p 8080:80", 0),
        ("--net=none -p 8080:80", "-p 8080:80", 0),
        ("--network net -p 8080:80", "-p 8080:80", 1),
        ("-p 8000-8003:1-4", "-p 8002:80 -p 8003:80", 2),
    ] {
        assert_eq!(with(mine).conflicts(&with(theirs)).len(), conflicts, "{mine} / {theirs}");
    }
}

#[test]
fn the_host_s_words_replace_docker_and_nothing_else() {
    let text = "docker run -d  --name docker docker 'docker  run'";
    let expected = "sudo -n docker run -d  --name docker docker 'docker  run'";
    assert_eq!(with_program(text, "sudo -n docker"), expected);
    assert_eq!(parse(text).with_program("sudo -n docker"), expected);
    assert_eq!(with_program("  docker stop x", "podman"), "  podman stop x");
    assert_eq!(with_program("dockerx stop x", "podman"), "dockerx stop x");
    assert_eq!(with_program(text, "docker"), text);
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_without_panic(text in "(docker run )?(?s).{0,80}") {
        if let Err(error) = RunString::parse(&text) {
            prop_assert!(!error.hint().is_empty());
        }
        let _ = with_program(&text, "podman");
    }

    #[test]
    fn what_is_completed_parses_and_keeps_every_byte(
        flags in proptest::collection::vec("(-p 80[0-9]{2}:80|-e [A-Z]{1,3}=[a-z$]{0,3}|--init|-v /[a-z]:/[a-z])", 0..5),
        arguments in "[a-z ]{0,10}",
    ) {
        let text = format!("docker run {} img {arguments}", flags.join(" "));
        let done = completed(&text);
        prop_assert_eq!(done.text.replacen(" -d --name finance", "", 1), text.trim_end());
    }
}

#[test]
fn a_log_grows_unless_the_string_limits_it_or_names_a_driver_that_does() {
    for (flags, grows) in [
        ("", true),
        ("--log-driver json-file", true),
        ("--log-opt max-file=3", true),
        ("--log-opt max-size=10m", false),
        ("--log-driver=json-file --log-opt=max-size=10m", false),
        ("--log-driver local", false),
        ("--log-driver none", false),
        ("--log-driver json-file --log-driver journald", false),
        ("--log-opt $OPTIONS", false),
    ] {
        let run = RunString::parse(&format!("docker run -d {flags} --name finance acme/a --log-opt max-size=1m"));
        assert_eq!(run.map(|run| run.log_grows()), Ok(grows), "{flags}");
    }
}
