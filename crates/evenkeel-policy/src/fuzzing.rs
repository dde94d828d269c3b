//! What must hold of every input, whatever it is: the entries of the fuzz targets, replayed by plain tests. A failure is a
//! panic. Nothing here is used by a running proxy.

use crate::Report;

/// A load report: it is read or not, its numbers are numbers, and spaces around it change nothing.
pub fn report(data: &[u8]) {
    let report = Report::parse(data);
    if let Some(report) = report {
        for number in [
            report.utilization,
            report.requests_per_second,
            report.errors_per_second,
        ] {
            assert!(
                number.is_none_or(|number| number.is_finite() && number.is_sign_positive()),
                "{report:?}"
            );
        }
        assert!(report != Report::default(), "a report says something");
    }
    let spaced = [b" ", data, b"\n"].concat();
    if spaced.len() <= crate::load::MOST_BYTES {
        assert_eq!(Report::parse(&spaced), report, "spaces around it");
    }
}
