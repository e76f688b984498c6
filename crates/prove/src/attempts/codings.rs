//! Echoes that are compressed, and echoes that are cut.

use super::Channel::Codings;
use super::Control::Leaks;
use super::To::Bound;
use super::replies::get;
use super::{Attempt, asks, web};

pub(super) const ATTEMPTS: &[Attempt] = &[
    asks("echo in gzip", Codings, 3, Leaks, Bound, get!("/say/gzip/raw", "Accept-Encoding: gzip\r\n")),
    asks("echo in gzip, asked for nothing", Codings, 3, Leaks, Bound, get!("/say/gzip/base64")),
    asks("echo in x-gzip", Codings, 3, Leaks, Bound, get!("/say/x-gzip/raw")),
    asks("echo in gzip of two members", Codings, 3, Leaks, Bound, get!("/say/members/raw")),
    asks("echo in gzip, packed with Huffman's code", Codings, 3, Leaks, Bound, get!("/say/huffman/raw", "Accept-Encoding: gzip\r\n")),
    asks("echo in gzip one byte at a time", Codings, 3, Leaks, Bound, get!("/say/slowgzip/raw")),
    asks("echo in gzip's comment", Codings, 3, Leaks, Bound, get!("/say/comment/raw")),
    asks("echo behind the end of gzip", Codings, 3, Leaks, Bound, get!("/say/behind/raw")).may_be_closed(),
    asks("echo in deflate", Codings, 3, Leaks, Bound, get!("/say/deflate/raw", "Accept-Encoding: deflate\r\n")),
    asks("echo in deflate without its head", Codings, 3, Leaks, Bound, get!("/say/rawdeflate/raw")),
    asks("echo in brotli", Codings, 3, Leaks, Bound, get!("/say/br/raw", "Accept-Encoding: br\r\n")),
    asks("echo in zstd", Codings, 3, Leaks, Bound, get!("/say/zstd/raw", "Accept-Encoding: zstd\r\n")),
    asks("echo in zstd's skippable frame", Codings, 3, Leaks, Bound, get!("/say/skippable/raw")),
    asks("echo in gzip within gzip", Codings, 3, Leaks, Bound, get!("/say/double/raw")),
    asks("echo plainly, said to be gzip", Codings, 3, Leaks, Bound, get!("/say/lie/raw")).may_be_closed(),
    asks("echo in gzip, said to be plain", Codings, 3, Leaks, Bound, get!("/say/hidden/raw")),
    asks("echo in a coding that nobody knows", Codings, 3, Leaks, Bound, get!("/say/unknown/raw")),
    asks("echo in gzip as the transfer's coding", Codings, 3, Leaks, Bound, get!("/say/transfer/raw", "TE: gzip\r\n")),
    asks("echo in compressed gRPC messages", Codings, 3, Leaks, Bound, get!("/say/grpcgzip/raw")),
    asks("echo one byte a chunk", Codings, 3, Leaks, Bound, get!("/say/bytewise/raw")),
    asks("echo one byte a chunk in base64", Codings, 3, Leaks, Bound, get!("/say/bytewise/base64-1")),
    asks("echo cut at every place", Codings, 3, Leaks, Bound, get!("/say/cut/raw")),
    asks("echo in hexadecimal cut at every place", Codings, 3, Leaks, Bound, get!("/say/cut/hex")),
    asks("echo cut by a pause", Codings, 3, Leaks, Bound, get!("/say/pause/raw")),
    asks("echo at the border of 16 KiB", Codings, 3, Leaks, Bound, get!("/say/border/raw")),
    asks("echo broken off in the middle, then whole", Codings, 3, Leaks, Bound, get!("/say/restart/raw")),
    asks("echo behind a thousand beginnings", Codings, 26, Leaks, Bound, get!("/say/beginnings/raw")),
    web(
        "curl --compressed",
        Codings,
        3,
        Leaks,
        &["curl"],
        "$C --compressed -i \"$BASE/say/gzip/raw\" -H \"Authorization: Bearer $GITHUB_TOKEN\" -H \"$NAMED\"",
    ),
];
