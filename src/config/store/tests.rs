#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed unwrap is a failed test")]

use super::*;
use crate::{
    config::state::Record,
    domain::{HostName, Instance, ServerName, ServerStatus, Status},
};
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    sync::mpsc,
};

fn environment(cwd: &Path) -> Environment {
    Environment {
        cwd: cwd.to_owned(),
        mcp_dir: None,
        mcp_inventory: None,
        xdg_config_home: None,
        home: Some(cwd.join("home")),
        user: "ana".into(),
    }
}

fn workspace(dir: &Path) -> Workspace {
    Workspace::locate(Some(dir), &environment(dir)).unwrap()
}

fn record(instance: &Instance) -> Record {
    let at = jiff::Timestamp::from_second(1).unwrap();
    let status = ServerStatus::bare(instance.server.clone(), instance.host.clone(), Status::Running, at);
    Record { status, container_id: None, command_hash: None, stopped_by: None, container: None, left: vec![] }
}

fn instance(number: usize) -> Instance {
    Instance { server: ServerName::new(format!("s{number}")).unwrap(), host: HostName::new("h").unwrap() }
}

fn load(workspace: &Workspace) -> Result<Loaded, StoreError> {
    workspace.load(&|_| Vec::new())
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn the_workspace_is_found_in_the_documented_order() {
    let temp = tempfile::tempdir().unwrap();
    let cwd = temp.path();
    let mut environment = environment(cwd);
    let dir = |flag: Option<&str>, environment: &Environment| {
        Workspace::locate(flag.map(Path::new), environment).unwrap().dir().to_owned()
    };
    assert_eq!(dir(None, &environment), cwd.join("home/.config/mcp"));
    environment.xdg_config_home = Some("/xdg".into());
    assert_eq!(dir(None, &environment), Path::new("/xdg/mcp"));
    fs::write(cwd.join(SERVERS), "").unwrap();
    assert_eq!(dir(None, &environment), cwd);
    environment.mcp_dir = Some("elsewhere".into());
    assert_eq!(dir(None, &environment), cwd.join("elsewhere"));
    assert_eq!(dir(Some("/flag"), &environment), Path::new("/flag"));
    environment =
        Environment { mcp_dir: None, xdg_config_home: None, home: None, cwd: "/nonexistent".into(), ..environment };
    assert!(matches!(Workspace::locate(None, &environment), Err(StoreError::NoWorkspace)));
}

#[test]
fn an_empty_workspace_has_localhost_and_nothing_else() {
    let temp = tempfile::tempdir().unwrap();
    let loaded = load(&workspace(temp.path())).unwrap();
    assert!(loaded.inventory.is_implicit() && loaded.registry.servers().is_empty());
    assert!(loaded.state.instances.is_empty() && loaded.warnings.is_empty());
    assert!(names(temp.path()).is_empty(), "loading writes nothing");
}

#[test]
fn the_released_version_1_still_loads() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/workspaces/v1");
    let loaded = load(&workspace(&dir)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        (loaded.inventory.hosts().len(), loaded.registry.servers().len(), loaded.state.instances.len()),
        (6, 2, 2)
    );
    assert!(loaded.warnings.is_empty());
}

#[test]
fn the_example_inventory_in_the_root_loads() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(dir.join(HOSTS)).unwrap();
    let context = Context { dir: dir.to_owned(), home: None, user: "ana".into(), ssh: Default::default() };
    let inventory = Inventory::parse(&text, HOSTS, &context).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        inventory.hosts().iter().map(|host| host.name.as_str()).collect::<Vec<_>>(),
        ["edge-1", "edge-2", "edge-3"]
    );
}

#[test]
fn a_named_directory_must_be_there_and_the_default_one_is_made() {
    let temp = tempfile::tempdir().unwrap();
    let missing = workspace(&temp.path().join("typo"));
    assert!(matches!(load(&missing), Err(StoreError::NoDirectory { .. })));
    assert!(matches!(missing.update_state(|_| ()), Err(StoreError::NoDirectory { .. })));
    let default = Workspace::locate(None, &environment(temp.path())).unwrap();
    assert!(load(&default).is_ok());
    assert!(default.edit_registry(|_| Ok::<_, StoreError>("version: 1\n".into())).unwrap());
    assert_eq!(mode(default.dir()), 0o700);
    assert_eq!(mode(&default.dir().join(SERVERS)), 0o600);
}

#[test]
fn errors_of_both_files_come_together_and_the_broken_inventory_does_not_hide_the_registry() {
    let temp = tempfile::tempdir().unwrap();
    fs::write(temp.path().join(HOSTS), "version: 1\nhots: {}\n").unwrap();
    fs::write(temp.path().join(SERVERS), "version: 1\nservers:\n  a: {host: x, comand: y}\n").unwrap();
    fs::write(temp.path().join(STATE), b"\xff").unwrap();
    let workspace = workspace(temp.path());
    let error = load(&workspace).unwrap_err().to_string();
    assert_eq!(error.lines().count(), 3, "{error}");
    assert!(!error.contains("no host or group"), "the host is not judged without an inventory: {error}");
    let all = crate::config::check(&workspace, &|_| Vec::new());
    assert_eq!(all.iter().map(|error| error.file.as_str()).collect::<Vec<_>>(), [HOSTS, SERVERS, SERVERS, STATE]);
}

#[test]
fn a_broken_state_is_a_warning_and_the_next_write_sets_it_aside() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join(STATE);
    fs::write(&path, "version: 1\ninstances: [").unwrap();
    let workspace = workspace(temp.path());
    let loaded = load(&workspace).unwrap();
    assert!(loaded.warnings.len() == 1 && loaded.warnings[0].contains("may be deleted"), "{:?}", loaded.warnings);
    workspace.update_state(|state| state.instances.insert(instance(1), record(&instance(1)))).unwrap();
    assert!(load(&workspace).unwrap().warnings.is_empty());
    assert_eq!(fs::read_to_string(temp.path().join("state.yaml.broken")).unwrap(), "version: 1\ninstances: [");
}

#[test]
fn many_writers_lose_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let workspace = workspace(temp.path());
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let workspace = &workspace;
            scope.spawn(move || {
                for turn in 0..5 {
                    let instance = instance(writer * 10 + turn);
                    workspace
                        .update_state(|state| state.instances.insert(instance.clone(), record(&instance)))
                        .unwrap();
                }
            });
        }
    });
    assert_eq!(load(&workspace).unwrap().state.instances.len(), 40);
    assert_eq!(names(temp.path()), [LOCK, STATE]);
    assert_eq!(mode(&temp.path().join(STATE)), 0o600);
}

#[test]
fn what_others_wrote_since_loading_is_read_again() {
    let temp = tempfile::tempdir().unwrap();
    let (this, other) = (workspace(temp.path()), workspace(temp.path()));
    let add = |workspace: &Workspace, number: usize| {
        let add = |state: &mut crate::config::state::State| {
            state.instances.insert(instance(number), record(&instance(number)));
            state.instances.len()
        };
        workspace.update_state(add).unwrap()
    };
    assert!(load(&this).unwrap().state.instances.is_empty());
    assert_eq!(add(&other, 0), 1);
    assert_eq!(load(&this).unwrap().state.instances.len(), 1);
    // Two replacements in between: an inode's number may be in use again.
    assert_eq!((add(&other, 1), add(&other, 2), add(&this, 3), add(&this, 4), add(&other, 5)), (2, 3, 4, 5, 6));
    let path = temp.path().join(STATE);
    load(&this).unwrap();
    let lines = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        lines.lines().filter(|line| !line.contains("s5@h")).map(|line| format!("{line}\n")).collect::<String>(),
    )
    .unwrap();
    assert_eq!(add(&this, 6), 6);
    fs::remove_file(&path).unwrap();
    assert_eq!((add(&this, 7), load(&other).unwrap().state.instances.len()), (1, 1));
}

#[test]
fn a_held_lock_is_waited_for_and_then_its_holder_is_named() {
    let temp = tempfile::tempdir().unwrap();
    let workspace = workspace(temp.path());
    let impatient = workspace.clone().with_lock_timeout(Duration::from_millis(50));
    let (inside, entered) = mpsc::channel();
    let (leave, left) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let holding = &workspace;
        scope.spawn(move || {
            holding.update_state(|_| {
                inside.send(()).unwrap();
                left.recv().unwrap();
            })
        });
        entered.recv().unwrap();
        let error = impatient.update_state(|_| ()).unwrap_err();
        assert!(
            matches!(error, StoreError::Locked { holder: Some(ref holder), .. } if holder.pid == std::process::id()),
            "{error}"
        );
        assert!(error.to_string().contains('@') && error.to_string().contains(" s)"), "{error}");
        assert_eq!(impatient.held_by().unwrap().unwrap().pid, std::process::id());
        assert_eq!(workspace.update_state_if_free(|_| ()).unwrap(), None, "whoever only looks waits for nobody");
        leave.send(()).unwrap();
    });
    assert_eq!(impatient.held_by().unwrap(), None);
    assert_eq!(workspace.update_state_if_free(|_| ()).unwrap(), Some(()));
    impatient.update_state(|_| ()).unwrap();
}

#[test]
fn an_unchanged_file_is_not_written() {
    let temp = tempfile::tempdir().unwrap();
    let workspace = workspace(temp.path());
    let path = temp.path().join(SERVERS);
    fs::write(&path, "version: 1\n").unwrap();
    let inode = |path: &Path| std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).unwrap());
    let before = inode(&path);
    assert!(!workspace.edit_registry(|text| Ok::<_, StoreError>(text.to_owned())).unwrap());
    assert_eq!(inode(&path), before);
    workspace.update_state(|_| ()).unwrap();
    let before = inode(&temp.path().join(STATE));
    workspace.update_state(|_| ()).unwrap();
    assert_eq!(inode(&temp.path().join(STATE)), before);
}

#[test]
fn an_edit_keeps_the_mode_and_follows_a_link_to_its_target() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, dotfiles) = (temp.path().join("ws"), temp.path().join("dotfiles"));
    fs::create_dir_all(&dir).unwrap();
    fs::create_dir_all(&dotfiles).unwrap();
    let target = dotfiles.join("fleet.yaml");
    fs::write(&target, "version: 1\n").unwrap();
    fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("../dotfiles/fleet.yaml", dir.join(SERVERS)).unwrap();
    // What a killed run leaves behind.
    fs::write(dotfiles.join(".fleet.yaml.abc.mcp-tmp"), "half").unwrap();
    let edit = |text: &str| Ok::<_, StoreError>(format!("{text}servers:\n"));
    assert!(workspace(&dir).edit_registry(edit).unwrap());
    assert_eq!(fs::read_to_string(&target).unwrap(), "version: 1\nservers:\n");
    assert!(dir.join(SERVERS).symlink_metadata().unwrap().is_symlink());
    assert_eq!(mode(&target), 0o640);
    assert_eq!(names(&dotfiles), ["fleet.yaml"]);
}

#[test]
fn a_link_to_nothing_is_an_error_and_not_a_missing_file() {
    let temp = tempfile::tempdir().unwrap();
    symlink("gone.yaml", temp.path().join(SERVERS)).unwrap();
    let workspace = workspace(temp.path());
    assert!(load(&workspace).is_err());
    assert!(workspace.edit_registry(|_| Ok::<_, StoreError>("version: 1\n".into())).is_err());
}

#[test]
fn text_that_is_not_yaml_is_never_written() {
    let temp = tempfile::tempdir().unwrap();
    let workspace = workspace(temp.path());
    fs::write(temp.path().join(SERVERS), "version: 1\n").unwrap();
    assert!(workspace.edit_registry(|_| Ok::<_, StoreError>("a: [".into())).is_err());
    assert_eq!(fs::read_to_string(temp.path().join(SERVERS)).unwrap(), "version: 1\n");
}

#[test]
fn a_workspace_that_cannot_be_written_says_so() {
    let temp = tempfile::tempdir().unwrap();
    // A directory in the lock's place fails for root as well, whom modes do not stop.
    fs::create_dir(temp.path().join(LOCK)).unwrap();
    let error = workspace(temp.path()).update_state(|_| ()).unwrap_err();
    assert!(error.to_string().starts_with("cannot lock the workspace with"), "{error}");
}

#[test]
fn a_huge_file_is_refused_before_it_is_read() {
    let temp = tempfile::tempdir().unwrap();
    let file = File::create(temp.path().join(HOSTS)).unwrap();
    file.set_len(100 * 1024 * 1024 * 1024).unwrap();
    assert!(load(&workspace(temp.path())).unwrap_err().to_string().contains("more than"));
}

#[test]
fn a_file_that_everybody_can_write_decides_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join(SERVERS);
    std::fs::write(&path, "version: 1\nservers: {}\n").unwrap();
    for (mode, refused) in [(0o600, false), (0o644, false), (0o666, true), (0o602, true)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let read = super::text(&path, SERVERS).map_err(|error| super::into_config(error).to_string());
        assert_eq!(read.is_err(), refused, "{mode:o}");
        assert!(read.err().is_none_or(|error| error.contains("chmod o-w")), "{mode:o}");
    }
}

#[test]
fn a_file_or_a_link_of_a_stranger_decides_nothing() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let (path, mine) = (temp.path().join(SERVERS), temp.path().join("mine.yaml"));
    for file in [&path, &mine] {
        std::fs::write(file, "version: 1\nservers: {}\n").unwrap();
    }
    let refusal = || super::into_config(super::text(&path, SERVERS).unwrap_err()).to_string();
    std::os::unix::fs::chown(&path, Some(4711), None).unwrap();
    assert!(
        refusal().contains("it belongs to user 4711") && refusal().contains("MCP_TRUST_OWNERS=4711"),
        "{}",
        refusal()
    );
    std::fs::remove_file(&path).unwrap();
    symlink(&mine, &path).unwrap();
    assert!(super::text(&path, SERVERS).is_ok(), "one's own link is followed");
    std::os::unix::fs::lchown(&path, Some(4711), None).unwrap();
    assert!(refusal().contains("the symbolic link belongs to user 4711"), "{}", refusal());
}

#[test]
fn a_link_in_the_place_of_the_state_is_not_followed_and_makes_way_for_a_file() {
    let temp = tempfile::tempdir().unwrap();
    let target = temp.path().join("precious");
    std::fs::write(&target, "not to be overwritten").unwrap();
    let dir = temp.path().join("workspace");
    std::fs::create_dir(&dir).unwrap();
    symlink(&target, dir.join(STATE)).unwrap();
    let environment = Environment {
        cwd: dir.clone(),
        mcp_dir: Some(dir.clone()),
        mcp_inventory: None,
        xdg_config_home: None,
        home: None,
        user: "somebody".to_owned(),
    };
    let workspace = Workspace::locate(None, &environment).unwrap();
    let loaded = workspace.load(&|_| vec![]).unwrap();
    assert!(loaded.warnings.iter().any(|warning| warning.contains("symbolic link")), "{:?}", loaded.warnings);
    workspace.update_state(|_| ()).unwrap();
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "not to be overwritten");
    let meta = dir.join(STATE).symlink_metadata().unwrap();
    assert!(meta.is_file() && meta.permissions().mode() & 0o777 == 0o600, "{meta:?}");
}
