//! What is kept of what commands write.

use link::keeper::{Kept, Order};
use model::Stream;
use model::limits::{OUTPUT_BYTES_MAX, OUTPUT_CHUNK_BYTES_MAX};

use super::Test;
use super::fixture::Keeper;

pub const TESTS: &[Test] = &[
    ("what_came_last_is_kept", what_came_last_is_kept),
    ("output_is_waited_for_from_its_offset", output_is_waited_for_from_its_offset),
    ("streams_are_kept_apart", streams_are_kept_apart),
    ("a_command_that_closes_its_output_early_goes_on", a_command_that_closes_its_output_early_goes_on),
    ("what_runs_on_holds_nothing_up_and_is_still_heard", what_runs_on_holds_nothing_up_and_is_still_heard),
    ("any_bytes_pass", any_bytes_pass),
    ("the_output_of_all_commands_together_is_bounded", the_output_of_all_commands_together_is_bounded),
];

fn what_came_last_is_kept() {
    let keeper = Keeper::start();
    let devbox = keeper.plain_devbox();
    let id = keeper.execute(&devbox, "head -c 3000000 /dev/zero | tr '\\0' a; echo end");
    let look = keeper.look(&devbox, &id, 20_000);
    let kept_from = 3_000_004 - u64::try_from(OUTPUT_BYTES_MAX).unwrap();
    assert_eq!((look.ended, look.written, look.kept_from), (Some(0), [3_000_004, 0], [kept_from, 0]));
    let piece = keeper.piece(&devbox, &id, Stream::Stdout, 0, 0);
    assert_eq!((piece.from, piece.bytes.len(), piece.is_last), (kept_from, OUTPUT_CHUNK_BYTES_MAX, false));
    let piece = keeper.piece(&devbox, &id, Stream::Stdout, 3_000_000, 0);
    assert_eq!((piece.from, &*piece.bytes, piece.is_last), (3_000_000, &b"end\n"[..], true));
    let piece = keeper.piece(&devbox, &id, Stream::Stdout, 4_000_000, 0);
    assert_eq!((piece.from, &*piece.bytes, piece.is_last), (4_000_000, &b""[..], true));
}

fn output_is_waited_for_from_its_offset() {
    let keeper = Keeper::start();
    let devbox = keeper.plain_devbox();
    let id = keeper.execute(&devbox, "echo one; until [ -e go ]; do sleep 0.02; done; echo two");
    let piece = keeper.piece(&devbox, &id, Stream::Stdout, 0, 20_000);
    assert_eq!((&*piece.bytes, piece.is_last), (&b"one\n"[..], false));
    let piece = keeper.piece(&devbox, &id, Stream::Stdout, 4, 50);
    assert_eq!((piece.from, &*piece.bytes, piece.is_last), (4, &b""[..], false));
    let order = Order::Output { devbox: devbox.clone(), execution: id.clone(), stream: Stream::Stdout, from: 4, wait_ms: 20_000 };
    let waits = keeper.ask_later(&order, &[]);
    keeper.says(&devbox, "touch go");
    let Kept::Output(piece) = waits.answer().0 else { panic!("no output") };
    assert_eq!((piece.from, &*piece.bytes), (4, &b"two\n"[..]));
    assert_eq!(keeper.look(&devbox, &id, 20_000).ended, Some(0));
    assert!(keeper.piece(&devbox, &id, Stream::Stdout, 8, 20_000).is_last);
}

fn streams_are_kept_apart() {
    let keeper = Keeper::start();
    let devbox = keeper.plain_devbox();
    let done = keeper.wait(&devbox, &keeper.execute(&devbox, "echo out; echo err >&2; echo more"));
    assert_eq!((&*done.output, &*done.error), ("out\nmore\n", "err\n"));
}

fn a_command_that_closes_its_output_early_goes_on() {
    let keeper = Keeper::start();
    let devbox = keeper.plain_devbox();
    let id = keeper.execute(&devbox, "echo said; exec >&- 2>&-; until [ -e go ]; do sleep 0.02; done; exit 5");
    let look = keeper.look(&devbox, &id, 300);
    assert_eq!((look.ended, look.written), (None, [5, 0]));
    assert!(!keeper.piece(&devbox, &id, Stream::Stdout, 5, 0).is_last);
    keeper.says(&devbox, "touch go");
    assert_eq!(keeper.look(&devbox, &id, 20_000).ended, Some(5));
    assert!(keeper.piece(&devbox, &id, Stream::Stdout, 5, 0).is_last);
}

fn what_runs_on_holds_nothing_up_and_is_still_heard() {
    let keeper = Keeper::start();
    let devbox = keeper.plain_devbox();
    let id = keeper.execute(&devbox, "(until [ -e go ]; do sleep 0.02; done; echo late; touch gone) & echo early");
    let look = keeper.look(&devbox, &id, 20_000);
    assert_eq!((look.ended, look.written[0]), (Some(0), 6));
    assert!(keeper.piece(&devbox, &id, Stream::Stdout, 0, 0).is_last);
    keeper.says(&devbox, "touch go; until [ -e gone ]; do sleep 0.02; done");
    let piece = keeper.piece(&devbox, &id, Stream::Stdout, 6, 20_000);
    assert_eq!((&*piece.bytes, piece.is_last), (&b"late\n"[..], true));
}

fn any_bytes_pass() {
    let keeper = Keeper::start();
    let devbox = keeper.plain_devbox();
    let id = keeper.execute(&devbox, "printf '\\0\\377\\001\\n'");
    keeper.look(&devbox, &id, 20_000);
    assert_eq!(keeper.piece(&devbox, &id, Stream::Stdout, 0, 0).bytes, [0, 255, 1, 10]);
}

fn the_output_of_all_commands_together_is_bounded() {
    let keeper = Keeper::start();
    let devbox = keeper.plain_devbox();
    let ids: Vec<_> = (0..18).map(|_| keeper.execute(&devbox, "head -c 2000000 /dev/zero")).collect();
    let looks: Vec<_> = ids.iter().map(|id| keeper.look(&devbox, id, 20_000)).collect();
    assert!(looks.iter().all(|look| look.ended == Some(0) && look.written == [2_000_000, 0]));
    let looks: Vec<_> = ids.iter().map(|id| keeper.look(&devbox, id, 0)).collect();
    let held: u64 = looks.iter().map(|look| look.written[0] - look.kept_from[0]).sum();
    assert_eq!(held, u64::try_from(model::limits::DEVBOX_OUTPUT_BYTES_MAX).unwrap());
    assert_eq!(keeper.says(&devbox, "echo still"), "still");
}
