# The image of the tests and the demo: compiled once, kept as one archive that every engine loads.
# shellcheck shell=bash

SERVER=$RIG_SOURCE/mcp-server

# Prints the archive's path: its name changes with what it is made of.
image_archive() {
  local hash
  hash=$(cat "$SERVER"/Cargo.toml "$SERVER"/Cargo.lock "$SERVER"/Dockerfile* "$SERVER"/src/*.rs | sha256sum)
  echo "$SERVER/target/mcp-demo-${hash:0:16}.tar"
}

# Compiles the server, statically, unless the archive is there already.
compile_server() {
  [ ! -f "$(image_archive)" ] || return 0
  command -v cargo >/dev/null || die "no Rust toolchain: cargo is not in PATH" "install one: https://rustup.rs"
  local target
  target=$(rustc -vV | sed -n 's/^host: //p')
  say "compiling the MCP server of the tests (once)"
  # A target that is named keeps the flags away from build scripts and procedural macros.
  RUSTFLAGS="-C target-feature=+crt-static" CARGO_TARGET_DIR="$SERVER/target" \
    cargo build --quiet --locked --release --target "$target" --manifest-path "$SERVER/Cargo.toml" >&2 ||
    die "the MCP server of the tests does not compile"
  mkdir -p "$SERVER/target/image"
  cp "$SERVER/target/$target/release/mcp-server" "$SERVER"/Dockerfile* "$SERVER/target/image/"
}

# build_image SOCKET ARCHIVE: builds the tags with the engine behind SOCKET and saves them.
build_image() {
  local context=$SERVER/target/image docker=(docker -H "unix://$1") version
  # The classic builder needs no further package; that it is deprecated is known.
  export DOCKER_BUILDKIT=0
  for version in 1 2; do
    quietly "${docker[@]}" build -q --build-arg "VERSION=$version" -t "mcp-demo:$version" "$context" || return 1
  done
  quietly "${docker[@]}" build -q -f "$context/Dockerfile.health" -t mcp-demo:health "$context" || return 1
  # Renamed when complete, so that an archive that is there is whole.
  "${docker[@]}" save -o "$2.$$" mcp-demo:1 mcp-demo:2 mcp-demo:health && mv "$2.$$" "$2"
}

# Runs a command and shows what it said only if it failed.
quietly() {
  local said
  said=$("$@" 2>&1) || {
    printf '%s\n' "$said" >&2
    return 1
  }
}
