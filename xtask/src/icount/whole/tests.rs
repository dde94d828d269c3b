//! Scenes are what they say: configurations that `evenkeel check` passes, requests that their routes match.

use super::*;

#[test]
fn every_scene_has_a_configuration_without_a_mistake() {
    for scene in SCENES {
        let text = scene.config(
            "\"127.0.0.1:1\", \"127.0.0.2:1\", ",
            Path::new("access.log"),
        );
        let checked = evenkeel_config::check(&text, "icount.toml", &evenkeel_config::Nowhere);
        assert!(
            checked.config.is_some(),
            "{}: {:?}",
            scene.name,
            checked.diagnostics
        );
        let routes = text.matches("[[route]]").count();
        let many = if scene.many_routes {
            2 * MANY_ROUTES
        } else {
            0
        };
        assert_eq!(routes, 1 + many, "{}", scene.name);
    }
}

#[test]
fn requests_are_whole_heads() {
    for asked in [Asked::Plain, Asked::Browser, Asked::Routes] {
        let (requests, body) = asked.requests();
        for request in requests {
            let text = String::from_utf8(request).unwrap();
            assert!(text.ends_with("\r\n\r\n"), "{text}");
            assert!(
                text.starts_with("GET /") && text.contains("\r\nHost: "),
                "{text}"
            );
            assert!(text.contains(&format!("/b/{body} HTTP/1.1\r\n")), "{text}");
        }
    }
    let (requests, _) = Asked::Browser.requests();
    assert_eq!(
        requests[0].windows(2).filter(|two| two == b"\r\n").count(),
        22
    );
}

#[test]
fn the_address_is_read_from_what_a_start_prints() {
    let said = "evenkeel 0.1.0 with 1 worker\n  listener  web      http://127.0.0.1:40465\nready\n";
    assert_eq!(listens(said), "127.0.0.1:40465".parse().ok());
    assert_eq!(listens("ready\n"), None);
}
