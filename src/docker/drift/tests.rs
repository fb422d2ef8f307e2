use super::*;
use crate::docker::{fixture, inspect};

const IMAGE_ENV: [&str; 2] = ["PATH", "IMAGE_VAR"];

fn image_env() -> Vec<String> {
    IMAGE_ENV.map(str::to_owned).to_vec()
}

fn container(version: &str, case: &str) -> Container {
    let text = fixture::read(&format!("{version}/inspect/{case}.out"));
    inspect::parse(&text).unwrap_or_else(|e| panic!("{case}: {e}")).remove(0)
}

fn string(text: &str) -> RunString {
    RunString::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn fields(text: &str, case: &str) -> Vec<DriftField> {
    drift(&string(text), &container("20.10", case), Some(&image_env())).into_iter().map(|d| d.field).collect()
}

#[test]
fn a_container_made_by_exactly_that_string_has_not_drifted() {
    for version in fixture::VERSIONS {
        let cases = fixture::cases(&format!("{version}/run"));
        assert!(cases.len() >= 15, "{cases:?}");
        for case in cases {
            let text = fixture::read(&format!("{version}/run/{case}.cmd"));
            // One case sets a variable before it runs docker.
            let text = text.split_once("; docker").map_or(text.clone(), |(before, after)| {
                if before.starts_with("PORT=") { format!("docker{after}") } else { text.clone() }
            });
            let found = drift(&string(&text), &container(version, &case), Some(&image_env()));
            assert_eq!(found, [], "{version}/{case}: {text}");
        }
    }
}

#[test]
fn a_container_of_podman_s_made_by_exactly_that_string_has_not_drifted() {
    for case in fixture::cases(&format!("{}/run", fixture::PODMAN)) {
        let text = fixture::read(&format!("{}/run/{case}.cmd", fixture::PODMAN)).replacen("podman", "docker", 1);
        let found = drift(&string(&text), &container(fixture::PODMAN, &case), Some(&image_env()));
        assert_eq!(found, [], "{case}: {text}");
    }
}

#[test]
fn a_missing_image_answer_never_makes_drift() {
    for case in fixture::cases("20.10/run") {
        let text = fixture::read(&format!("20.10/run/{case}.cmd"));
        if text.starts_with("docker") {
            assert_eq!(drift(&string(&text), &container("20.10", &case), None), [], "{case}");
        }
    }
}

#[test]
fn each_change_of_a_string_is_told_by_its_field() {
    use DriftField::*;
    let ports = fixture::read("20.10/run/ports.cmd");
    let binds = fixture::read("20.10/run/binds.cmd");
    let env = fixture::read("20.10/run/env.cmd");
    for (case, text, expected) in [
        ("plain", "docker run -d --name plain example/app:1.1".to_owned(), vec![Image]),
        ("plain", "docker run -d --name plain -p 1:1 example/app:1.0".to_owned(), vec![Ports]),
        ("plain", "docker run -d --name plain -e NEW=1 example/app:1.0".to_owned(), vec![Environment]),
        ("plain", "docker run -d --name plain -v /a:/a example/app:1.0".to_owned(), vec![Mounts]),
        ("plain", "docker run -d --name plain --restart always example/app:1.0".to_owned(), vec![RestartPolicy]),
        ("plain", "docker run -d --name plain --entrypoint env example/app:1.0".to_owned(), vec![Entrypoint]),
        ("plain", "docker run -d --name plain example/app:1.0 sleep 7".to_owned(), vec![Arguments]),
        ("plain", "docker run -d --name plain -v /cache example/app:1.0".to_owned(), vec![]),
        ("ports", ports.replace("-p 18080:80", "-p 18081:80"), vec![Ports]),
        ("ports", ports.replace("-p 127.0.0.1:18443:443/tcp ", ""), vec![Ports]),
        ("ports", ports.replace("53/udp", "53/tcp"), vec![Ports]),
        ("ports", ports.replace("[::1]:18300", "18300"), vec![Ports]),
        ("ports", ports.replace("-p 18080:80", "-p $PORT:80"), vec![]),
        ("ports", ports.replace("-p 18080:80", "-p 0.0.0.0:18080:80"), vec![]),
        ("binds", binds.replace("/tmp:/data:ro", "/tmp:/data"), vec![Mounts]),
        ("binds", binds.replace("/tmp:/data:ro", "/srv:/data:ro"), vec![Mounts]),
        ("binds", binds.replace("named:/named ", "other:/named "), vec![Mounts]),
        ("binds", binds.replace("-v named:/named ", ""), vec![Mounts]),
        ("binds", binds.replace("--tmpfs /tmp2", "-v /tmp2:/tmp2"), vec![Mounts]),
        ("binds", binds.replace("-v named:/named ", "-v $VOLUME:/named "), vec![]),
        ("binds", binds.replace("-v named:/named ", "-v $MOUNT "), vec![]),
        ("env", env.replace("-e API_KEY=s3cr3t-value ", ""), vec![Environment]),
        ("env", env.replace("-e API_KEY=s3cr3t-value ", "-e API_KEY=another "), vec![]),
        ("env", env.replace("-e API_KEY=s3cr3t-value ", "--env-file ./secrets "), vec![]),
        (
            "restart_failure",
            "docker run -d --restart=on-failure:4 --name restart_failure example/app:1.0".to_owned(),
            vec![RestartPolicy],
        ),
        (
            "entrypoint",
            "docker run -d --name entrypoint --entrypoint sleep example/app:1.0 501".to_owned(),
            vec![Arguments],
        ),
        ("quoted", "docker run -d --name quoted tiny sh -c \"$SCRIPT\"".to_owned(), vec![]),
    ] {
        assert_eq!(fields(&text, case), expected, "{case}: {text}");
    }
}

#[test]
fn a_difference_shows_only_what_the_other_side_lacks() {
    let text = fixture::read("20.10/run/ports.cmd").replace("-p 18080:80", "-p 18081:80");
    let found = drift(&string(&text), &container("20.10", "ports"), None);
    assert_eq!(found, [Drift { field: DriftField::Ports, registered: "18081:80".into(), running: "18080:80".into() }]);
}

#[test]
fn values_of_the_environment_are_in_no_difference() {
    let text = "docker run -d --name env -e OTHER=hunter2 example/app:1.0";
    let found = drift(&string(text), &container("20.10", "env"), Some(&image_env()));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].registered, "OTHER");
    assert!(!format!("{found:?}").contains("hunter2") && !format!("{found:?}").contains("s3cr3t"));
}
