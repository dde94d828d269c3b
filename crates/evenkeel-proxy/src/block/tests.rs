//! What a block holds, where it grows, and what goes back to the pool.

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
    for number in [1, 10, 64, 100, 1_000] {
        let blocks = Rc::new(Blocks::default());
        let mut many: Vec<Block> = Vec::new();
        for _ in 0..number {
            let mut block = blocks.take();
            block.begin_wide();
            fill(&mut block, b"head");
            block.consume(4);
            many.push(block);
            // Whoever has something to read may have come first.
            for block in &mut many {
                block.enlarge(4);
                assert!(block.make_room_for_body(4, usize::MAX));
                assert_eq!(block.message(), b"head");
            }
            let most = many.len() * SHARE + SLACK;
            assert!(held(&many) <= most, "{} of {most}", held(&many));
            assert_eq!(held(&many), blocks.lent_cost.get());
        }
        // Nor less than they may, and not one of them less than a usual one.
        let large = many.iter().filter(|block| block.bytes.len() == LARGE);
        assert!(large.count() >= number.min(15), "{number}");
        assert!(many.iter().all(|block| block.bytes.len() >= BLOCK));
        drop(many);
        assert_eq!((blocks.lent.get(), blocks.lent_cost.get()), (0, 0));
    }
}

#[test]
fn the_first_responses_begin_in_wide_blocks_and_the_others_in_usual_ones() {
    let blocks = Rc::new(Blocks::default());
    let mut many: Vec<Block> = (0..50).map(|_| blocks.take()).collect();
    for (n, block) in many.iter_mut().enumerate() {
        block.begin_wide();
        // Behind them the usual ones make room for some more.
        if n < 32 {
            assert_eq!(block.room().len(), WIDE);
        }
        fill(block, b"head");
        block.begin_wide();
        assert_eq!(block.message(), b"head", "what is held stays");
    }
    assert!(held(&many) <= 50 * SHARE + SLACK);
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
