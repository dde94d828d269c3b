//! What the tests lend to configurations: a few variables and files.

use std::path::{Path, PathBuf};

use evenkeel_config::Source;

/// Variables and files by name.
pub(crate) struct Lent;

impl Source for Lent {
    fn env(&self, name: &str) -> Option<String> {
        let value = match name {
            "APP_ADDRESS" => "10.0.0.1:8080",
            "API_TOKEN" => "Bearer s3cret",
            "STICKY_KEY" => "s3cret of the environment",
            "BAD_TOKEN" => "s3cret\r\nX-Evil: 1",
            "TIMEOUT" => "5s",
            "ZONE" => "eu-1a",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        let content: &[u8] = match path {
            "503.html" => b"<h1>Back in a minute</h1>\n",
            "token" => b"s3cret\n",
            "sticky.key" => b"s3cret s3cret s3cret\n",
            "old.key" => b"\xff\x00s3cret s3cret s3cret\r\n",
            "endpoints.toml" => b"endpoints = [\"10.0.0.1:8080\", \"10.0.0.2:8080\"]\n",
            "wrong.toml" => {
                b"# The endpoints.\nendpoints = [\n  \"10.0.0.1:8080\",\n  \"10.0.0.2\",\n]\n"
            }
            "logo.png" => b"\x89PNG\r\n\x1a\n\xff",
            _ => return Err("no such file".to_owned()),
        };
        Ok(content.to_vec())
    }

    fn resolve(&self, path: &str) -> PathBuf {
        Path::new("/etc/e").join(path)
    }
}
