//! What a block holds, where it grows, and what goes back to the pool.

use evenkeel_config::{Nowhere, check};
use evenkeel_state::{Registry, Resolved};

use super::*;

fn fill(block: &mut Block, bytes: &[u8]) {
    block.room()[..bytes.len()].copy_from_slice(bytes);
    block.received(bytes.len());
}

#[test]
fn a_pipelined_message_follows_without_moving() {
    let blocks = Rc::new(Blocks::default());
    let mut block = blocks.take();
    fill(&mut block, b"head1head2");
    block.consume(5);
    assert_eq!(block.message(), b"head1head2");
    block.begin_message();
    assert_eq!(block.message(), b"head2");
    block.consume(5);
    block.begin_message();
    assert!(block.is_empty() && block.room().len() == SMALL);
}

#[test]
fn the_head_stays_while_the_body_streams() {
    let blocks = Rc::new(Blocks::default());
    let mut block = blocks.take();
    fill(&mut block, b"head");
    block.consume(4);
    for _ in 0..10 {
        assert!(block.make_room_for_body(4, usize::MAX));
        let n = block.room().len();
        block.received(n);
        block.consume(block.unread().len() - 1);
        assert_eq!(&block.message()[..4], b"head");
    }
    assert!(block.make_room_for_body(4, usize::MAX));
    assert_eq!(block.unread().len(), 1);
    block.received(usize::MAX / 2);
    assert!(!block.make_room_for_body(4, usize::MAX));
}

#[test]
fn pipelined_messages_do_not_make_the_block_grow() {
    let blocks = Rc::new(Blocks::default());
    let mut block = blocks.take();
    let (head, body) = (6_900, 9_000);
    for _ in 0..1_000 {
        block.begin_message();
        while block.message().len() < head {
            block.make_room_for_head(32 * 1024);
            let n = block.room().len();
            block.received(n);
        }
        block.consume(head);
        let mut left = body;
        while left > 0 {
            if block.is_empty() {
                assert!(block.make_room_for_body(head, left));
                let n = block.room().len();
                block.received(n);
            }
            let n = block.unread().len().min(left);
            block.consume(n);
            left -= n;
        }
        assert!(block.bytes.len() <= BLOCK, "{}", block.bytes.len());
    }
}

/// What all of them cost.
fn held(blocks: &[Block]) -> usize {
    blocks.iter().map(|block| cost(block.bytes.len())).sum()
}

#[test]
fn a_long_body_goes_on_in_a_large_block_and_the_next_message_begins_small() {
    let blocks = Rc::new(Blocks::default());
    let mut block = blocks.take();
    fill(&mut block, b"gonehead+");
    block.consume(4);
    block.begin_message();
    block.consume(4);
    block.enlarge(4);
    assert_eq!(block.unread(), b"+", "what is unread keeps it where it is");
    assert!(block.is_small());
    block.consume(1);
    block.enlarge(4);
    assert_eq!(block.message(), b"head");
    assert!(block.is_empty() && block.make_room_for_body(4, usize::MAX));
    assert_eq!(block.bytes.len(), LARGE);
    block.begin_message();
    block.release();
    assert!(!block.is_held());
    assert_eq!(blocks.large.borrow().len(), 1);
    fill(&mut block, b"head");
    assert!(block.is_small());
}

#[test]
fn readers_that_have_stopped_hold_no_more_than_their_share_however_many_they_are() {
    // What of the last read was taken before they stopped: nothing, some, all but a little.
    for (number, taken) in [1, 10, 64, 100, 1_000]
        .into_iter()
        .zip([0, 1, 2].into_iter().cycle())
    {
        let blocks = Rc::new(Blocks::default());
        let mut many: Vec<Block> = Vec::new();
        for mark in (0..=u8::MAX).cycle().take(number) {
            let mut block = blocks.take();
            block.begin_wide();
            fill(&mut block, b"head");
            block.consume(4);
            block.enlarge(4);
            assert!(block.make_room_for_body(4, usize::MAX));
            let read = block.room().len();
            block.room().fill(mark);
            block.received(read);
            let left = [read, read / 2, 100][taken];
            block.consume(read - left);
            block.hold_less(4, true);
            assert_eq!(block.unread(), vec![mark; left]);
            assert!(block.message().starts_with(b"head"));
            many.push(block);
            let most = many.len() * SHARE + SLACK;
            assert!(blocks.lent_cost.get() <= most, "{number}");
        }
        // The first hold what they came with, since nobody else wants it.
        let large = many.iter().filter(|block| block.bytes.len() == LARGE);
        assert!(large.count() >= number.min(3), "{number}");
        drop(many);
        assert_eq!((blocks.lent.get(), blocks.lent_cost.get()), (0, 0));
    }
}

#[test]
fn bodies_that_wait_in_a_crowd_leave_the_room_to_those_that_move() {
    let blocks = Rc::new(Blocks::default());
    let crowd = blocks.crowd();
    let before = (blocks.lent.get(), blocks.lent_cost.get());
    let waiting: Vec<Block> = (0..1_000)
        .map(|_| {
            let mut block = blocks.take();
            fill(&mut block, b"gonehead");
            block.consume(4);
            block.begin_message();
            block.consume(4);
            // It moves, in a large one whatever number waits, and then waits for more.
            block.enlarge(4);
            assert_eq!(block.bytes.len(), LARGE);
            block.hold_less(4, false);
            assert!(block.is_small());
            assert_eq!((block.message(), block.unread()), (&b"head"[..], &b""[..]));
            block
        })
        .collect();
    assert_eq!(before, (blocks.lent.get(), blocks.lent_cost.get()));
    assert_eq!(blocks.large.borrow().len(), 1, "all of them had the same");
    drop(waiting);
    // Without a crowd nobody copies anything.
    drop(crowd);
    let mut block = blocks.take();
    block.begin_wide();
    fill(&mut block, b"head");
    block.hold_less(4, true);
    assert_eq!(block.bytes.len(), WIDE);
}

#[test]
fn what_waits_in_just_its_size_goes_on_in_the_largest_there_is() {
    for (left, waits_in, goes_on_in) in [
        (0, SMALL, LARGE),
        (10, SMALL, BLOCK),
        (SMALL - 4, SMALL, BLOCK),
        (4_200, STEP, BLOCK),
        (15_000, LEAST, LEAST),
        (30_000, 3 * STEP, 3 * STEP),
        // Nothing to be gained.
        (WIDE - 2_000, WIDE, WIDE),
    ] {
        let blocks = Rc::new(Blocks::default());
        let _crowd = blocks.crowd();
        let mut block = blocks.take();
        block.begin_wide();
        let mut received = b"head".to_vec();
        received.resize(4 + left + 1_000, b'+');
        fill(&mut block, &received);
        block.consume(4 + 1_000);
        block.hold_less(4, left > 0);
        assert_eq!(block.size(), waits_in, "{left}");
        assert!(block.message().starts_with(b"head"));
        assert_eq!(block.unread(), &received[4..4 + left]);
        // A little less is no reason to copy it once more.
        block.consume(left / 8);
        block.hold_less(4, left > 0);
        assert_eq!(block.size(), waits_in, "{left}");
        block.consume(left - left / 8);
        // Who was waited for once is no reason to read very much at once.
        block.enlarge(4);
        assert!(block.make_room_for_body(4, usize::MAX));
        assert_eq!(block.size(), goes_on_in, "{left}");
        assert_eq!(block.message(), b"head");
        // The next message is another matter.
        block.begin_message();
        block.release();
        block.begin_wide();
        block.enlarge(0);
        assert_eq!(block.size(), LARGE);
    }
}

/// Where memory taken is counted.
fn process() -> Arc<Publisher> {
    let text = "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\nrespond.body = \"\"\n";
    let config = check(text, "test", &Nowhere).config.unwrap();
    let snapshot = Registry::new(1, &[0; 32]).compile(config, &Resolved::new(), 1);
    Publisher::new(Arc::new(snapshot))
}

#[test]
fn uploads_that_drip_in_a_crowd_take_no_memory_that_is_new() {
    let process = process();
    let blocks = Blocks::of(&process);
    let _crowd = blocks.crowd();
    let mut many: Vec<Block> = (0..200).map(|_| blocks.take()).collect();
    let drip = |many: &mut Vec<Block>| {
        // What came waits for the endpoint in blocks of one step, of the least size and of three steps, and then moves.
        for (block, drip) in many
            .iter_mut()
            .zip([9_000, 15_000, 25_000].into_iter().cycle())
        {
            fill(block, b"head");
            block.consume(4);
            let mut left = drip;
            while left > 0 {
                assert!(block.make_room_for_body(4, usize::MAX));
                let n = block.room().len().min(left);
                block.received(n);
                left -= n;
                if block.is_full() {
                    let n = block.unread().len();
                    block.consume(n);
                }
            }
            block.hold_less(4, true);
        }
        for block in many {
            let n = block.unread().len();
            block.consume(n);
            block.begin_message();
            block.release();
        }
    };
    // The second time it is known that much comes at once.
    for _ in 0..3 {
        drip(&mut many);
    }
    let taken = process.pressure().taken();
    assert!(taken > 0);
    for _ in 0..20 {
        drip(&mut many);
    }
    assert_eq!(process.pressure().taken(), taken);
    // What the allocator was made to give up is new when it is taken again.
    blocks.trim();
    drip(&mut many);
    assert!(process.pressure().taken() > taken);
}

#[test]
fn more_bodies_that_wait_in_a_crowd_are_more_memory() {
    let process = process();
    let blocks = Blocks::of(&process);
    let _crowd = blocks.crowd();
    let before = process.pressure().taken();
    let waiting: Vec<Block> = (0..100)
        .map(|_| {
            let mut block = blocks.take();
            fill(&mut block, b"head");
            block.consume(4);
            assert!(block.make_room_for_body(4, usize::MAX));
            block.received(9_000);
            block.hold_less(4, true);
            block
        })
        .collect();
    let held: usize = waiting.iter().map(Block::size).sum();
    let taken = process.pressure().taken() - before;
    assert!(taken >= held as u64, "{taken} {held}");
}

#[test]
fn a_body_that_waited_in_a_crowd_goes_on_in_a_large_block_when_that_has_gone_or_it_moves() {
    let blocks = Rc::new(Blocks::default());
    let waits = |stopped| {
        let mut block = blocks.take();
        block.begin_wide();
        fill(&mut block, b"head+++");
        block.consume(4);
        block.hold_less(4, stopped);
        block.consume(3);
        block
    };
    // Its turn was over.
    let crowd = blocks.crowd();
    let mut block = waits(false);
    block.enlarge(4);
    assert_eq!(block.size(), LARGE);
    drop(block);
    // Its reader had stopped.
    let mut block = waits(true);
    block.enlarge(4);
    assert_eq!(block.size(), SMALL);
    drop(crowd);
    block.enlarge(4);
    assert_eq!((block.size(), block.message()), (LARGE, &b"head"[..]));
}

#[test]
fn the_first_responses_begin_in_wide_blocks_and_the_others_in_less() {
    let blocks = Rc::new(Blocks::default());
    let mut many: Vec<Block> = (0..100).map(|_| blocks.take()).collect();
    for (n, block) in many.iter_mut().enumerate() {
        block.begin_wide();
        // Behind them the least ones make room for some more.
        if n < 12 {
            assert_eq!(block.room().len(), WIDE);
        }
        assert!(block.room().len() >= LEAST);
        fill(block, b"head");
        block.begin_wide();
        assert_eq!(block.message(), b"head", "what is held stays");
    }
    assert!(held(&many) <= 100 * SHARE + SLACK);
}

#[test]
fn a_body_that_passes_by_leaves_its_head_in_a_small_block() {
    let blocks = Rc::new(Blocks::default());
    let mut block = blocks.take();
    block.begin_wide();
    fill(&mut block, b"head+");
    block.consume(4);
    block.keep_head(4);
    assert_eq!(block.unread(), b"+", "what is unread keeps it where it is");
    block.consume(1);
    block.keep_head(4);
    assert!(block.is_small() && block.is_empty());
    assert_eq!(block.message(), b"head");
    assert_eq!(blocks.lent.get(), 0);
    assert!(block.make_room_for_body(4, usize::MAX));
    assert_eq!((block.bytes.len(), block.message()), (BLOCK, &b"head"[..]));
    // A head that no small one holds stays where it is.
    let mut block = blocks.take();
    block.begin_wide();
    block.received(SMALL + 1);
    block.consume(SMALL + 1);
    block.keep_head(SMALL + 1);
    assert_eq!(block.bytes.len(), WIDE);
}

#[test]
fn a_request_goes_on_in_a_usual_block_when_it_does_not_fit_a_small_one() {
    let blocks = Rc::new(Blocks::default());
    let mut block = blocks.take();
    fill(&mut block, b"gonehead+");
    block.consume(4);
    block.begin_message();
    block.consume(4);
    assert!(block.make_room_for_body(4, SMALL - 9) && block.is_small());
    assert!(block.make_room_for_body(4, SMALL - 8));
    assert_eq!(block.bytes.len(), BLOCK);
    assert_eq!(
        (block.message(), block.unread()),
        (&b"head+"[..], &b"+"[..])
    );
    let mut block = blocks.take();
    let n = block.room().len();
    block.received(n);
    block.consume(n - 2);
    block.begin_message();
    block.make_room_for_head(40_000);
    assert_eq!((block.message().len(), block.room().len()), (2, BLOCK - 2));
}

#[test]
fn after_much_at_once_the_next_read_may_bring_as_much() {
    let blocks = Rc::new(Blocks::default());
    let mut block = blocks.take();
    for (received, next) in [
        (SMALL - 1, SMALL),
        (SMALL, BLOCK),
        (SMALL, BLOCK),
        (9, SMALL),
    ] {
        block.room();
        block.received(received);
        block.consume(received);
        block.begin_message();
        block.release();
        assert_eq!(block.room().len(), next);
    }
}

#[test]
fn a_large_head_grows_to_its_limit_and_no_further() {
    let blocks = Rc::new(Blocks::default());
    let mut block = blocks.take();
    for _ in 0..8 {
        let n = block.room().len();
        block.received(n);
        block.make_room_for_head(40_000);
    }
    assert_eq!(block.message().len(), 40_001);
    drop(block);
    assert_eq!(blocks.free.borrow().len(), 0, "it is no usual one any more");
    assert_eq!(blocks.small.borrow().len(), 1);
    let mut block = blocks.take();
    assert!(!block.is_held());
    block.room();
    assert_eq!(blocks.small.borrow().len(), 0);
    drop(block);
    assert_eq!(blocks.small.borrow().len(), 1);
}

#[test]
fn output_buffers_that_are_kept_have_a_limit_together() {
    let blocks = Blocks::default();
    let kept = |blocks: &Blocks| -> usize { blocks.out.borrow().iter().map(Vec::capacity).sum() };
    let lent: Vec<Vec<u8>> = (0..200).map(|_| Vec::with_capacity(16 * 1024)).collect();
    for buffer in lent {
        blocks.give_out(buffer);
    }
    assert_eq!(kept(&blocks), MAX_OUT_KEPT);
    // One that is lent and comes back finds its place again.
    for _ in 0..3 {
        let buffer = blocks.take_out();
        assert_eq!(kept(&blocks), MAX_OUT_KEPT - buffer.capacity());
        blocks.give_out(buffer);
    }
    assert_eq!(kept(&blocks), MAX_OUT_KEPT);
    blocks.trim();
    blocks.give_out(Vec::with_capacity(MAX_OUT));
    assert_eq!(kept(&blocks), MAX_OUT, "after a trim as at first");
    blocks.give_out(Vec::with_capacity(MAX_OUT + 1));
    assert_eq!(kept(&blocks), MAX_OUT, "none that has grown too large");
}
