# What the rig needs of this machine, by command and Debian package.
# shellcheck shell=bash

# missing COMMAND=PACKAGE…: prints the packages whose command is not there.
missing() {
  local pair
  for pair in "$@"; do
    PATH="$PATH:/usr/sbin:/sbin" command -v "${pair%%=*}" >/dev/null || echo "${pair#*=}"
  done | sort -u
}

# install_missing COMMAND=PACKAGE…: installs what is not there, saying what; without the right to, says what to install.
install_missing() {
  local packages as_root=()
  mapfile -t packages < <(missing "$@")
  [ ${#packages[@]} -gt 0 ] || return 0
  local remedy="apt-get install ${packages[*]}"
  command -v apt-get >/dev/null || die "missing on this machine: ${packages[*]}" "install what these Debian packages hold"
  if [ "$(id -u)" != 0 ]; then
    sudo -n true 2>/dev/null || die "missing on this machine: ${packages[*]}" "run as root: $remedy"
    as_root=(sudo -n)
  fi
  say "installing with apt-get: ${packages[*]}"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive sh -c \
    'apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@"' sh "${packages[@]}" >&2 </dev/null ||
    die "apt-get could not install: ${packages[*]}" "run as root: apt-get update && $remedy"
}

# The sources of locales; not a command.
install_locales() { [ -f /usr/share/i18n/locales/de_DE ] || install_missing no-such-command=locales; }

install_rig_packages() {
  # Newer Debians have the docker command in a package of its own.
  local docker=docker.io
  if ! command -v docker >/dev/null && apt-cache show docker-cli >/dev/null 2>&1; then docker=docker-cli; fi
  install_missing docker="$docker" dockerd=docker.io containerd=containerd runc=runc sshd=openssh-server \
    ssh-keygen=openssh-client ip=iproute2 unshare=util-linux nsenter=util-linux setpriv=util-linux flock=util-linux \
    perl=perl-base ps=procps docker-registry=docker-registry
}
