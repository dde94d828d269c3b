//! The endpoints in a file of their own, read again when it changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use evenkeel_config::{Spoken, check_list, render_all};
use evenkeel_state::{Found, Look, Source};
use tokio::task::{self, JoinHandle};
use tokio::time;

use super::stamp::Stamp;

/// How often the file's stamp is looked at.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);

/// How long the file's disk may take. A look that takes longer came to nothing; it goes on, and there is no other beside it.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest file that is read: 10,000 endpoints as tables have less than that.
const MOST_BYTES: u64 = 1024 * 1024;

/// A file with endpoints.
#[derive(Debug)]
pub(super) struct List {
    file: File,
    patience: Duration,
    /// A look that is under way, which a disk may keep for ever: nobody else waits for it.
    looking: Option<JoinHandle<(File, Result<Found, String>)>>,
}

/// What is known of it, in the hands of whoever looks.
#[derive(Clone, Debug)]
struct File {
    path: PathBuf,
    /// What its clusters speak with the endpoints in it.
    spoken: Spoken,
    /// What was read last, when a change of it would show.
    seen: Option<Stamp>,
    /// What was wrong with that.
    wrong: Option<String>,
}

impl List {
    pub(super) const fn new(path: PathBuf, spoken: Spoken) -> Self {
        Self {
            file: File {
                path,
                spoken,
                seen: None,
                wrong: None,
            },
            patience: PATIENCE,
            looking: None,
        }
    }

    async fn read(&mut self) -> Result<Found, String> {
        let looking = self.looking.get_or_insert_with(|| {
            let mut file = self.file.clone();
            task::spawn_blocking(move || {
                let found = file.read();
                (file, found)
            })
        });
        let Ok(looked) = time::timeout(self.patience, &mut *looking).await else {
            return Err(format!(
                "it was not read within {} seconds: its disk does not answer",
                self.patience.as_secs()
            ));
        };
        self.looking = None;
        let (file, found) = looked.map_err(|_| "a mistake of evenkeel's own".to_owned())?;
        self.file = file;
        found
    }
}

impl File {
    fn read(&mut self) -> Result<Found, String> {
        let stamp = Stamp::of(&self.path).map_err(|error| error.to_string())?;
        if self.seen.as_ref() == Some(&stamp) {
            return self.wrong.clone().map_or(Ok(Found::Same), Err);
        }
        let found = read(&self.path, self.spoken, &stamp);
        self.wrong = found.as_ref().err().cloned();
        self.seen = stamp.is_settled(SystemTime::now()).then_some(stamp);
        found
    }
}

fn read(path: &Path, spoken: Spoken, stamp: &Stamp) -> Result<Found, String> {
    if stamp.length() > MOST_BYTES {
        return Err(format!(
            "it has {} bytes, and at most {MOST_BYTES} are read",
            stamp.length()
        ));
    }
    let text = fs::read(path).map_err(|error| error.to_string())?;
    let text = String::from_utf8(text).map_err(|_| "it is not UTF-8 text".to_owned())?;
    let checked = check_list(&text, path, spoken);
    let endpoints = checked.endpoints.ok_or_else(|| {
        let shown = render_all(&checked.diagnostics, &text, false);
        format!("\n{}", shown.trim_end())
    })?;
    Ok(Found::Endpoints(endpoints))
}

impl Source for List {
    fn look(&mut self) -> Pin<Box<dyn Future<Output = Result<Look, String>> + Send + '_>> {
        Box::pin(async {
            Ok(Look {
                found: self.read().await?,
                good_for: INTERVAL,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a look tells: the endpoints' ids, `same`, or what is wrong.
    async fn look(list: &mut List) -> String {
        match list.read().await {
            Ok(Found::Endpoints(all)) => {
                let ids: Vec<String> = all.into_iter().map(|endpoint| endpoint.id).collect();
                ids.join(" ")
            }
            Ok(Found::Same) => "same".to_owned(),
            Ok(other) => format!("{other:?}"),
            Err(why) => why,
        }
    }

    /// As if it had been written a while ago.
    fn write(path: &Path, text: &str, seconds_ago: u64) {
        fs::write(path, text).unwrap();
        let file = fs::File::options().write(true).open(path).unwrap();
        let then = SystemTime::now() - Duration::from_secs(seconds_ago);
        file.set_modified(then).unwrap();
    }

    #[tokio::test]
    async fn it_is_read_when_it_changes() {
        let path = std::env::temp_dir().join(format!("evenkeel-list-{}.toml", std::process::id()));
        let mut list = List::new(path.clone(), Spoken::default());
        assert!(look(&mut list).await.contains("No such file"));
        write(&path, "endpoints = \"10.0.0.1:80\"", 60);
        assert_eq!(look(&mut list).await, "10.0.0.1:80");
        assert_eq!(look(&mut list).await, "same");
        write(&path, "endpoints = [\n  \"10.0.0.1\",\n]", 59);
        let wrong = look(&mut list).await;
        let place = format!("{}:2:3", path.display());
        assert!(wrong.contains(&place), "{wrong}");
        assert_eq!(look(&mut list).await, wrong);
        write(&path, "endpoints = \"10.0.0.2:80\"", 58);
        assert_eq!(look(&mut list).await, "10.0.0.2:80");
        // Just written: what comes in the same moment would not show.
        write(&path, "endpoints = \"10.0.0.3:80\"", 0);
        assert_eq!(
            [look(&mut list).await, look(&mut list).await],
            ["10.0.0.3:80", "10.0.0.3:80"]
        );
        write(&path, &"# a comment\n".repeat(100_000), 57);
        assert!(look(&mut list).await.contains("at most 1048576"));
        fs::remove_file(&path).unwrap();
        assert!(look(&mut list).await.contains("No such file"));
    }
    #[tokio::test]
    async fn a_disk_that_does_not_answer_holds_up_nobody_else() {
        let path = std::env::temp_dir().join(format!("evenkeel-pipe-{}", std::process::id()));
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let mut list = List {
            patience: Duration::ZERO,
            ..List::new(path.clone(), Spoken::default())
        };
        for _ in 0..2 {
            let wrong = look(&mut list).await;
            assert!(wrong.contains("does not answer"), "{wrong}");
        }
        let pipe = path.clone();
        let written = task::spawn_blocking(|| fs::write(pipe, "endpoints = \"10.0.0.1:80\""));
        list.patience = PATIENCE;
        assert_eq!(look(&mut list).await, "10.0.0.1:80");
        written.await.unwrap().unwrap();
        fs::remove_file(&path).unwrap();
    }
}
