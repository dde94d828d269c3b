//! Why a message was refused: one name per reason, with the section of the RFC and the fault it leads to.
//!
//! It is not a fault itself: the same broken line is the client's doing in a request and the endpoint's in a response.

use std::fmt;

evenkeel_base::refusals! {
    LineTooLong "line-too-long" "RFC 9112 §3" RequestLineTooLong ResponseHeadTooLarge "The first line is longer than allowed.";
    HeadTooLarge "head-too-large" "RFC 9110 §5.4" RequestHeadTooLarge ResponseHeadTooLarge "The head is larger than allowed.";
    TooManyFields "too-many-fields" "RFC 9110 §5.4" RequestHeadTooLarge ResponseHeadTooLarge "The head has more fields than allowed.";
    TooManyOptions "too-many-options" "RFC 9110 §7.6.1" RequestHeadTooLarge ResponseHeadTooLarge "Connection names more than 32 fields.";
    EmptyLines "empty-lines" "RFC 9112 §2.2" RequestMalformed ResponseMalformed "More than one empty line stands before the first line.";
    BareLf "bare-lf" "RFC 9112 §2.2" RequestMalformed ResponseMalformed "A line ends in LF without CR.";
    BareCr "bare-cr" "RFC 9112 §2.2" RequestMalformed ResponseMalformed "A CR stands without LF.";
    RequestLineInvalid "request-line-invalid" "RFC 9112 §3" RequestMalformed ResponseMalformed "The request line is not a method, a target and a version with one space between them.";
    MethodInvalid "method-invalid" "RFC 9112 §3.1" RequestMalformed ResponseMalformed "The method is not a token.";
    TargetInvalid "target-invalid" "RFC 9112 §3.2" RequestMalformed ResponseMalformed "The target has none of the four forms that its method allows, or a byte that none may have.";
    FragmentInTarget "fragment-in-target" "RFC 9112 §3.2" RequestMalformed ResponseMalformed "The target has a fragment.";
    SchemeRefused "scheme-refused" "RFC 9110 §7.4" RequestMalformed ResponseMalformed "The target's scheme is not that of the listener.";
    AuthorityMismatch "authority-mismatch" "RFC 9112 §3.2.2" RequestMalformed ResponseMalformed "The target's authority is not that of the Host field.";
    VersionInvalid "version-invalid" "RFC 9112 §2.3" RequestMalformed ResponseMalformed "The version is not HTTP/ with one digit, a dot and one digit.";
    VersionUnsupported "version-unsupported" "RFC 9110 §15.6.6" VersionUnsupported ResponseMalformed "The version is neither 1.0 nor 1.1.";
    StatusLineInvalid "status-line-invalid" "RFC 9112 §4" RequestMalformed ResponseMalformed "The status line is not a version, a status of three digits and a reason.";
    LineFold "line-fold" "RFC 9112 §5.2" RequestMalformed ResponseMalformed "A field line begins with white space.";
    ColonMissing "colon-missing" "RFC 9112 §5" RequestMalformed ResponseMalformed "A field line has no colon.";
    NameEmpty "name-empty" "RFC 9110 §5.1" RequestMalformed ResponseMalformed "A field has no name.";
    SpaceBeforeColon "space-before-colon" "RFC 9112 §5.1" RequestMalformed ResponseMalformed "White space stands between a field's name and its colon.";
    NameInvalid "name-invalid" "RFC 9110 §5.1" RequestMalformed ResponseMalformed "A field's name is not a token.";
    ValueInvalid "value-invalid" "RFC 9110 §5.5" RequestMalformed ResponseMalformed "A field's value has a control byte.";
    HostMissing "host-missing" "RFC 9112 §3.2" RequestMalformed ResponseMalformed "An HTTP/1.1 request has no Host field.";
    HostRepeated "host-repeated" "RFC 9112 §3.2" RequestMalformed ResponseMalformed "A request has more than one Host field.";
    HostInvalid "host-invalid" "RFC 9112 §3.2" RequestMalformed ResponseMalformed "The Host field is not a host with an optional port.";
    LengthInvalid "length-invalid" "RFC 9112 §6.3" RequestMalformed ResponseMalformed "Content-Length is not one plain decimal number below 2^63.";
    LengthRepeated "length-repeated" "RFC 9112 §6.3" RequestMalformed ResponseMalformed "Content-Length is there more than once.";
    LengthAndCoding "length-and-coding" "RFC 9112 §6.1" RequestMalformed ResponseMalformed "Content-Length and Transfer-Encoding are both there.";
    CodingInvalid "coding-invalid" "RFC 9112 §6.1" RequestMalformed ResponseMalformed "Transfer-Encoding does not end in chunked, or names it twice, or is not a list of codings.";
    CodingRepeated "coding-repeated" "RFC 9112 §6.1" RequestMalformed ResponseMalformed "Transfer-Encoding is there more than once.";
    CodingInOldVersion "coding-in-old-version" "RFC 9112 §6.1" RequestMalformed ResponseMalformed "An HTTP/1.0 message has Transfer-Encoding.";
    CodingUnsupported "coding-unsupported" "RFC 9112 §6.1" CodingUnsupported ResponseCodingUnsupported "Transfer-Encoding names a coding before chunked.";
    CodingInInterim "coding-in-interim" "RFC 9112 §6.1" RequestMalformed ResponseMalformed "An interim response has Transfer-Encoding.";
    UpgradeUnasked "upgrade-unasked" "RFC 9110 §15.2.2" RequestMalformed UpgradeMismatch "A 101 came that nobody asked for, or in HTTP/1.0.";
    ChunkSizeInvalid "chunk-size-invalid" "RFC 9112 §7.1" RequestBodyMalformed ResponseBodyMalformed "A chunk's size is not a plain hexadecimal number.";
    ChunkSizeTooLarge "chunk-size-too-large" "RFC 9112 §7.1" RequestBodyMalformed ResponseBodyMalformed "A chunk's size has more than 16 digits or is 2^63 or more.";
    ChunkExtensionInvalid "chunk-extension-invalid" "RFC 9112 §7.1.1" RequestBodyMalformed ResponseBodyMalformed "A chunk's extension breaks the grammar.";
    ChunkExtensionTooLong "chunk-extension-too-long" "RFC 9112 §7.1.1" RequestBodyMalformed ResponseBodyMalformed "Chunk extensions are longer than allowed, in one line or in all.";
    ChunkLineEnd "chunk-line-end" "RFC 9112 §7.1" RequestBodyMalformed ResponseBodyMalformed "A chunk's size does not end in CRLF.";
    ChunkOverrun "chunk-overrun" "RFC 9112 §7.1" RequestBodyMalformed ResponseBodyMalformed "A chunk's data does not end in CRLF where its size says.";
    TrailerInvalid "trailer-invalid" "RFC 9112 §7.1.2" RequestBodyMalformed ResponseBodyMalformed "A line of the trailer section is not a field line.";
    TrailersTooLarge "trailers-too-large" "RFC 9110 §5.4" RequestHeadTooLarge ResponseHeadTooLarge "The trailer section is larger, or has more fields, than allowed.";
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
            assert!(refusal.rfc().starts_with("RFC 91"), "{refusal}");
            assert_eq!(refusal.fault_of_request().side(), Side::Downstream);
            assert_eq!(refusal.fault_of_response().side(), Side::Upstream);
            assert_eq!(refusal.fault_of_response().status(), 502, "{refusal}");
        }
    }
}
