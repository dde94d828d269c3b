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

#[test]
fn a_long_body_goes_on_in_one_of_few_large_blocks() {
    let blocks = Rc::new(Blocks::default());
    let mut many: Vec<Block> = (0..=MAX_LARGE).map(|_| blocks.take()).collect();
    for (n, block) in many.iter_mut().enumerate() {
        fill(block, b"gonehead+");
        block.consume(4);
        block.begin_message();
        block.consume(4);
        block.enlarge(4);
        assert_eq!(block.unread(), b"+", "what is unread keeps it where it is");
        assert!(block.is_small());
        block.consume(1);
        block.enlarge(4);
        assert_eq!(&block.message()[..4], b"head");
        assert!(block.is_empty() && block.make_room_for_body(4, usize::MAX));
        let size = if n < MAX_LARGE { LARGE } else { BLOCK };
        assert_eq!(block.bytes.len(), size);
        assert_eq!(block.message(), b"head");
    }
    drop(many);
    assert_eq!(blocks.large.borrow().len(), MAX_LARGE_FREE);
    assert_eq!(blocks.large_lent.get(), 0);
    let mut block = blocks.take();
    fill(&mut block, b"head");
    assert!(block.is_small(), "the next message begins small");
    block.consume(4);
    block.enlarge(4);
    block.begin_message();
    block.release();
    assert!(!block.is_held());
    assert_eq!(blocks.large.borrow().len(), MAX_LARGE_FREE);
}

#[test]
fn who_asks_for_a_large_block_gets_one_while_there_are_some() {
    let blocks = Rc::new(Blocks::default());
    let mut many: Vec<Block> = (0..=MAX_LARGE).map(|_| blocks.take()).collect();
    for (n, block) in many.iter_mut().enumerate() {
        block.begin_large();
        let size = if n < MAX_LARGE { LARGE } else { BLOCK };
        assert_eq!(block.room().len(), size);
        fill(block, b"head");
        block.begin_large();
        assert_eq!(block.message(), b"head", "what is held stays");
    }
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
