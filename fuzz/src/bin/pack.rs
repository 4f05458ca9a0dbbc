//! The fuzz target `pack`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = tripline_fuzz::pack(data);
});
