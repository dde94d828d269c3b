//! Configurations from the templates of `bench/configs/`: which lines hold in a setting, and what stands for `{name}`.
//!
//! A line that begins with `@logged,routes ` is there in these settings only, one with `@-logged ` in all but that one.
//! A name that nothing is known for is a mistake, and so is a tag that is no setting: a typing error must not become a
//! configuration that measures something else.

use anyhow::{Context, Result, bail};

use super::contestant::Setting;

/// The configuration that `template` gives in `setting`.
pub(super) fn fill(template: &str, setting: Setting, values: &[(&str, &str)]) -> Result<String> {
    let mut text = String::with_capacity(template.len());
    for line in template.lines() {
        let line = match line.strip_prefix('@') {
            None => line,
            Some(tagged) => {
                let (tag, line) = tagged.split_once(' ').context("a tag without a line")?;
                if !holds(tag, setting)? {
                    continue;
                }
                line
            }
        };
        replace(line, values, &mut text)?;
        text.push('\n');
    }
    Ok(text)
}

fn holds(tag: &str, setting: Setting) -> Result<bool> {
    let names = tag.strip_prefix('-').unwrap_or(tag);
    let mut found = false;
    for name in names.split(',') {
        if !Setting::ALL.iter().any(|known| known.name() == name) {
            bail!("@{tag}: \"{name}\" is no setting");
        }
        found |= name == setting.name();
    }
    Ok(found != tag.starts_with('-'))
}

/// Adds `line` with its names replaced. Braces around anything but one lower-case word are the configuration's own.
fn replace(line: &str, values: &[(&str, &str)], text: &mut String) -> Result<()> {
    let mut rest = line;
    while let Some(at) = rest.find('{') {
        let (before, after) = rest.split_at(at);
        text.push_str(before);
        let name = after[1..].split_once('}').map_or("", |(name, _)| name);
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') {
            text.push('{');
            rest = &after[1..];
            continue;
        }
        let value = values.iter().find(|(known, _)| *known == name);
        let (_, value) = value.with_context(|| format!("nothing stands for {{{name}}}: {line}"))?;
        text.push_str(value);
        rest = &after[name.len() + 2..];
    }
    text.push_str(rest);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_hold_in_their_settings_and_names_are_replaced() {
        let template =
            "a {port};\n@logged log {log};\n@-logged,bare quiet { a = {port} }\n@bare,plain b\n";
        let values = [("port", "80"), ("log", "x.log")];
        for (setting, expected) in [
            (Setting::Plain, "a 80;\nquiet { a = 80 }\nb\n"),
            (Setting::Logged, "a 80;\nlog x.log;\n"),
            (Setting::Bare, "a 80;\nb\n"),
            (Setting::Large, "a 80;\nquiet { a = 80 }\n"),
        ] {
            assert_eq!(fill(template, setting, &values).unwrap(), expected);
        }
    }

    #[test]
    fn mistakes_in_templates_are_found() {
        for (template, part) in [
            ("a {prot}", "nothing stands for {prot}"),
            ("@loged a", "\"loged\" is no setting"),
            ("@logged", "a tag without a line"),
        ] {
            let error = fill(template, Setting::Plain, &[("port", "80")]).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        }
    }

    #[test]
    fn braces_of_the_configuration_stay() {
        let text = "http { server { listen 1; } }\n%[path,map(x)] {}\n{ to = \"off\" }\n";
        assert_eq!(fill(text, Setting::Plain, &[]).unwrap(), text);
    }
}
