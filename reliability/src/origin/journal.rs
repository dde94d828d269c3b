//! What an origin says on its standard output: a line for each thing that happened, before anybody else can know of it.

use std::fmt;
use std::str::FromStr;

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// It listens on this port.
    Ready(u16),
    /// It has a request.
    Saw(Sight),
    /// It has reset a connection that was idle.
    Reset,
    /// Something that should not be: a request without an id, a body that is another request's.
    Lost(String),
}

/// A request that an origin has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Its id.
    pub id: u64,
    /// Whether it must not be seen twice.
    pub is_post: bool,
    /// How many there are now at this origin, this one included.
    pub in_flight: u32,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(port) => write!(f, "ready {port}"),
            Self::Saw(sight) => {
                let method = if sight.is_post { "post" } else { "get" };
                write!(f, "{method} {} {}", sight.id, sight.in_flight)
            }
            Self::Reset => f.write_str("reset"),
            Self::Lost(why) => write!(f, "lost {why}"),
        }
    }
}

impl FromStr for Note {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let wrong = || format!("an origin said {line:?}");
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        Ok(match word {
            "ready" => Self::Ready(rest.parse().map_err(|_| wrong())?),
            "get" | "post" => {
                let (id, in_flight) = rest.split_once(' ').ok_or_else(wrong)?;
                Self::Saw(Sight {
                    id: id.parse().map_err(|_| wrong())?,
                    is_post: word == "post",
                    in_flight: in_flight.parse().map_err(|_| wrong())?,
                })
            }
            "reset" => Self::Reset,
            "lost" => Self::Lost(rest.to_owned()),
            _ => return Err(wrong()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_read_as_they_were_written() {
        let sight = Sight {
            id: 7,
            is_post: true,
            in_flight: 3,
        };
        for note in [
            Note::Ready(80),
            Note::Saw(sight),
            Note::Saw(Sight {
                is_post: false,
                ..sight
            }),
            Note::Reset,
            Note::Lost("a body of another".to_owned()),
        ] {
            assert_eq!(note.to_string().parse(), Ok(note));
        }
        assert_eq!("post 7".parse::<Note>().ok(), None);
    }
}
