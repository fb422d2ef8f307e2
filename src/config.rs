//! The workspace's three YAML files: schema, validation, edits, and the store that reads and writes them.
