//! Why a head or a trailer section was refused: one name per reason, with the section of the RFC and the fault it leads to.
//!
//! Where the reason is one that HTTP/1 has too, it has the same name there.

use std::fmt;

evenkeel_base::refusals! {
    LineTooLong "line-too-long" "RFC 9110 §4.1" RequestLineTooLong ResponseHeadTooLarge "Method and path would make a request line that is longer than allowed.";
    HeadTooLarge "head-too-large" "RFC 9110 §5.4" RequestHeadTooLarge ResponseHeadTooLarge "The head is larger than allowed.";
    TooManyFields "too-many-fields" "RFC 9110 §5.4" RequestHeadTooLarge ResponseHeadTooLarge "The head has more fields than allowed.";
    PseudoUnknown "pseudo-unknown" "RFC 9113 §8.3" RequestMalformed ResponseMalformed "A pseudo-field is none of those that are defined here.";
    PseudoRepeated "pseudo-repeated" "RFC 9113 §8.3" RequestMalformed ResponseMalformed "A pseudo-field is there more than once.";
    PseudoLate "pseudo-late" "RFC 9113 §8.3" RequestMalformed ResponseMalformed "A pseudo-field stands behind a field, or among trailers.";
    PseudoMissing "pseudo-missing" "RFC 9113 §8.3.1" RequestMalformed ResponseMalformed "A pseudo-field that must be there is not.";
    PseudoMisplaced "pseudo-misplaced" "RFC 9113 §8.5" RequestMalformed ResponseMalformed "A pseudo-field is there that this method must not have.";
    MethodInvalid "method-invalid" "RFC 9110 §9.1" RequestMalformed ResponseMalformed "The method is not a token.";
    TargetInvalid "target-invalid" "RFC 9113 §8.3.1" RequestMalformed ResponseMalformed "The path does not begin with a slash, or has a byte that none may have.";
    SchemeRefused "scheme-refused" "RFC 9110 §4.2" RequestMalformed ResponseMalformed "The scheme is neither http nor https.";
    AuthorityMismatch "authority-mismatch" "RFC 9113 §8.3.1" RequestMalformed ResponseMalformed "The authority is not that of the Host field.";
    HostMissing "host-missing" "RFC 9113 §8.3.1" RequestMalformed ResponseMalformed "A request has neither an authority nor a Host field.";
    HostRepeated "host-repeated" "RFC 9110 §7.2" RequestMalformed ResponseMalformed "A request has more than one Host field.";
    HostInvalid "host-invalid" "RFC 9113 §8.3.1" RequestMalformed ResponseMalformed "The authority or the Host field is not a host with an optional port.";
    ProtocolInvalid "protocol-invalid" "RFC 8441 §4" RequestMalformed ResponseMalformed "The protocol of an extended CONNECT is not a token or is h2c, or comes with a content length.";
    StatusInvalid "status-invalid" "RFC 9113 §8.3.2" RequestMalformed ResponseMalformed "The status is not three digits from 100 on.";
    UpgradeUnasked "upgrade-unasked" "RFC 9113 §8.6" RequestMalformed UpgradeMismatch "A 101 came, which HTTP/2 does not have.";
    NameEmpty "name-empty" "RFC 9110 §5.1" RequestMalformed ResponseMalformed "A field has no name.";
    NameInvalid "name-invalid" "RFC 9113 §8.2.1" RequestMalformed ResponseMalformed "A field's name is not a token in lower case.";
    ValueInvalid "value-invalid" "RFC 9113 §8.2.1" RequestMalformed ResponseMalformed "A field's value has a control byte, or white space around it.";
    ConnectionField "connection-field" "RFC 9113 §8.2.2" RequestMalformed ResponseMalformed "A field concerns the connection, which HTTP/2 does not have.";
    TeInvalid "te-invalid" "RFC 9113 §8.2.2" RequestMalformed ResponseMalformed "The TE field says something else than trailers.";
    LengthInvalid "length-invalid" "RFC 9110 §8.6" RequestMalformed ResponseMalformed "Content-Length is not one plain decimal number below 2^63.";
    LengthRepeated "length-repeated" "RFC 9110 §8.6" RequestMalformed ResponseMalformed "Content-Length is there more than once.";
    LengthMismatch "length-mismatch" "RFC 9113 §8.1.1" RequestMalformed ResponseMalformed "Content-Length announces a body, and the message ends with its head.";
    InterimEnds "interim-ends" "RFC 9113 §8.1" RequestMalformed ResponseMalformed "An interim response ends its stream.";
}

const _: () = assert!(size_of::<Refusal>() == 1);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_base::Side;

    #[test]
    fn every_reason_has_its_own_name_a_section_and_two_faults() {
        for (i, refusal) in Refusal::ALL.iter().enumerate() {
            assert_eq!(*refusal as usize, i);
            let same = Refusal::ALL.iter().filter(|r| r.name() == refusal.name());
            assert_eq!(same.count(), 1, "{refusal}");
            assert!(refusal.about().ends_with('.'), "{refusal}");
            assert!(refusal.rfc().starts_with("RFC "), "{refusal}");
            assert_eq!(refusal.fault_of_request().side(), Side::Downstream);
            assert_eq!(refusal.fault_of_response().side(), Side::Upstream);
            assert_eq!(refusal.fault_of_response().status(), 502, "{refusal}");
        }
    }
}
