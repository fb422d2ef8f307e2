//! Shim.
use crate::domain::*;
#[derive(Debug, thiserror::Error)]
#[error("e")]
pub struct EditError;
#[derive(Debug, Default)]
pub struct HostFields {
    pub address: Option<String>,
    pub user: Option<String>,
    pub port: Option<u16>,
    pub identity_file: Option<std::path::PathBuf>,
    pub groups: Vec<String>,
    pub docker: Option<String>,
}
pub fn add_server(_: &str, _: &Server) -> Result<String, EditError> {
    Err(EditError)
}
pub fn update_server(_: &str, _: &ServerName, _: &Server) -> Result<String, EditError> {
    Err(EditError)
}
pub fn remove_server(_: &str, _: &ServerName) -> Result<String, EditError> {
    Err(EditError)
}
pub fn add_host(_: &str, _: &HostName, _: &HostFields) -> Result<String, EditError> {
    Err(EditError)
}
pub fn remove_host(_: &str, _: &HostName) -> Result<String, EditError> {
    Err(EditError)
}
