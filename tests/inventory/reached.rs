//! Hosts of other sources are reached as they say, over a real sshd.

use std::fs;

use crate::{
    Place,
    said::{Said, run},
    sshd::{Sshd, known_line, user},
};

/// How far `host` answered: nothing of SSH may be broken; there may be no docker here.
#[track_caller]
fn reached(said: &Said, host: &str) {
    let rows: serde_json::Value = serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{e}\n{said}"));
    let row = rows.as_array().unwrap().iter().find(|row| row["host"] == host).unwrap_or_else(|| panic!("{said}"));
    let broken = row["broken"].as_str().unwrap_or("nothing");
    assert!(["nothing", "docker CLI", "engine", "permission"].contains(&broken), "{said}");
}

#[test]
fn a_host_by_address_is_reached_without_any_inventory() {
    let sshd = Sshd::with(&["ed25519"], "ListenAddress ::1");
    let place = Place::new();
    let ssh = place.path("home/.ssh");
    fs::copy(sshd.path("id_ed25519"), ssh.join("id_ed25519")).unwrap();
    let lines = known_line(sshd.directory.path(), "ed25519", &sshd.address, sshd.port)
        + &known_line(sshd.directory.path(), "ed25519", "::1", sshd.port);
    fs::write(ssh.join("known_hosts"), lines).unwrap();
    let four = format!("{}@{}:{}", user(), sshd.address, sshd.port);
    let six = format!("{}@[::1]:{}", user(), sshd.port);
    let said = run(place.mcp(&["hosts", "check", "-o", "json", "--on", &format!("{four},ssh://{six}")]));
    reached(&said, &four);
    reached(&said, &six);
    let stranger = format!("nobody-here@{}:{}", sshd.address, sshd.port);
    run(place.mcp(&["hosts", "check", "--on", &stranger])).code(4).err("authentication");
}

#[test]
fn an_ansible_inventory_reaches_its_hosts_with_its_variables() {
    let sshd = Sshd::start();
    let place = Place::new();
    fs::copy(sshd.path("id_ed25519"), place.path("here/key")).unwrap();
    let inventory = format!(
        "[web]\nknown\nfirst ansible_ssh_common_args='-o StrictHostKeyChecking=accept-new -o UserKnownHostsFile=first_known'\n\
         lax ansible_host_key_checking=false ansible_ssh_extra_args='-o UserKnownHostsFile=/dev/null'\nlocal ansible_connection=local\n\
         odd ansible_connection=winrm\n[web:vars]\nansible_host={}\nansible_port={}\nansible_ssh_private_key_file=key\n",
        sshd.address, sshd.port
    );
    place.write("hosts.ini", &inventory);
    place.write("group_vars/web.yml", &format!("ansible_user: {}\n", user()));
    place.write("host_vars/known.yml", &format!("mcp_known_hosts: {}\n", sshd.path("known_hosts").display()));
    let said = run(place.mcp(&["-i", "hosts.ini", "hosts", "check", "-o", "json"]));
    for host in ["known", "first", "lax", "local"] {
        reached(&said, host);
    }
    let rows: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let odd = rows.as_array().unwrap().iter().find(|row| row["host"] == "odd").unwrap();
    assert!(
        odd["error"]["cause"].as_str().unwrap().contains("ansible_connection is \"winrm\" (hosts.ini:6)"),
        "{odd:#}"
    );
    let written = fs::read_to_string(place.path("here/first_known")).unwrap();
    // The name may be a hash: this machine's ssh_config decides that.
    let key = fs::read_to_string(sshd.path("host_ed25519.pub")).unwrap();
    assert!(written.contains(key.split(' ').nth(1).unwrap()) && written.lines().count() == 1, "{written}");
}
