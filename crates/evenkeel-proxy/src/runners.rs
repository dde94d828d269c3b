//! Tasks that outlive what they run. Exchanges of streams are many and short, and a task for each would be allocated with its
//! future of 3 KB, moved there, listed by the runtime, and all of that undone.
//!
//! A runner whose job is done waits here for another one, whose future then is where the last one was. There are as many as had to
//! run at once.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use tokio::task;

/// So many runners of a worker wait for a job at most; what a burst needed beyond that ends. Each is a task of 3.5 KB.
const MOST_WAITING: usize = 128;

/// The runners of one worker that have nothing to do.
#[derive(Debug, Default)]
pub(crate) struct Runners {
    waiting: RefCell<Vec<Waiting>>,
}

/// One of them.
struct Waiting {
    /// Its [`Desk`]: what a job is, is known further up only.
    desk: Rc<dyn Any>,
    waker: Waker,
}

/// Where a runner finds its job. One without a job that nobody else knows will have none any more.
#[derive(Debug)]
pub(crate) struct Desk<J>(RefCell<Option<J>>);

impl<J> Desk<J> {
    /// The job, which is there when work begins. It is fetched from here, for each hand that it went through would move it.
    #[inline]
    pub(crate) fn take(&self) -> Option<J> {
        self.0.borrow_mut().take()
    }
}

impl Runners {
    /// Does a job, in a runner that waits or in one that is made for it.
    pub(crate) fn run<J, W>(self: &Rc<Self>, job: J, work: fn(Rc<Desk<J>>) -> W)
    where
        J: 'static,
        W: Future<Output = ()> + 'static,
    {
        let waiting = self.waiting.borrow_mut().pop();
        if let Some(Waiting { desk, waker }) = waiting {
            // Also one that waited for jobs of another kind: it ends.
            waker.wake();
            if let Ok(desk) = desk.downcast::<Desk<J>>() {
                *desk.0.borrow_mut() = Some(job);
                return;
            }
        }
        let desk = Rc::new(Desk(RefCell::new(Some(job))));
        // Boxed: the runtime moves a task's future when the task begins and twice more when it ends.
        task::spawn_local(Box::pin(do_jobs(Rc::clone(self), desk, work)));
    }

    /// Those that wait end.
    pub(crate) fn send_home(&self) {
        for waiting in self.waiting.take() {
            waiting.waker.wake();
        }
    }

    /// Waits at a desk for another job: whether there is one. There is none when enough wait already, or when it is sent home.
    fn poll_next<J: 'static>(
        &self,
        cx: &Context<'_>,
        desk: &Rc<Desk<J>>,
        waits: &mut bool,
    ) -> Poll<bool> {
        if desk.0.borrow().is_some() {
            return Poll::Ready(true);
        }
        if *waits {
            // Whatever the last job has waited for may still wake its runner.
            return if Rc::strong_count(desk) > 1 {
                Poll::Pending
            } else {
                Poll::Ready(false)
            };
        }
        let mut waiting = self.waiting.borrow_mut();
        if waiting.len() >= MOST_WAITING {
            return Poll::Ready(false);
        }
        waiting.push(Waiting {
            desk: Rc::clone(desk) as Rc<dyn Any>,
            waker: cx.waker().clone(),
        });
        *waits = true;
        Poll::Pending
    }
}

/// What a runner does until it is sent home.
async fn do_jobs<J, W>(runners: Rc<Runners>, desk: Rc<Desk<J>>, work: fn(Rc<Desk<J>>) -> W)
where
    J: 'static,
    W: Future<Output = ()> + 'static,
{
    loop {
        work(Rc::clone(&desk)).await;
        let mut waits = false;
        if !poll_fn(|cx| runners.poll_next(cx, &desk, &mut waits)).await {
            return;
        }
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::{Builder, LocalOptions};
    use tokio::sync::oneshot;
    use tokio::task::yield_now;

    use super::*;

    /// What ends a job, and where it says in which task it ran.
    type Waiting = (oneshot::Receiver<()>, Rc<RefCell<Vec<task::Id>>>);

    /// Waits until the other end is gone, and says in which task.
    async fn wait_for(desk: Rc<Desk<Waiting>>) {
        let (held, seen) = desk.take().unwrap();
        let _ = held.await;
        seen.borrow_mut().push(task::id());
    }

    async fn fail(_: Rc<Desk<u8>>) {
        panic!("a job that fails");
    }

    fn run(test: impl Future<Output = ()>) {
        let mut builder = Builder::new_current_thread();
        let runtime = builder.build_local(LocalOptions::default()).unwrap();
        runtime.block_on(test);
    }

    /// Until nothing is left to run.
    async fn settle() {
        for _ in 0..4 {
            yield_now().await;
        }
    }

    #[test]
    fn as_many_run_as_there_are_jobs_at_once_and_later_ones_find_them() {
        run(async {
            let (runners, seen) = (Rc::new(Runners::default()), Rc::default());
            for round in 1..4 {
                let jobs: Vec<oneshot::Sender<()>> = (0..3)
                    .map(|_| {
                        let (holds, held) = oneshot::channel();
                        runners.run((held, Rc::clone(&seen)), wait_for);
                        holds
                    })
                    .collect();
                settle().await;
                assert_eq!(
                    runners.waiting.borrow().len(),
                    0,
                    "all have something to do"
                );
                drop(jobs);
                settle().await;
                assert_eq!(runners.waiting.borrow().len(), 3);
                assert_eq!(seen.borrow().len(), round * 3);
            }
            let mut tasks = seen.borrow().clone();
            tasks.sort_by_key(ToString::to_string);
            tasks.dedup();
            assert_eq!(tasks.len(), 3);
        });
    }

    #[test]
    fn a_runner_that_is_woken_without_a_job_goes_on_waiting() {
        run(async {
            let (runners, seen) = (Rc::new(Runners::default()), Rc::default());
            let job = || (oneshot::channel().1, Rc::clone(&seen));
            runners.run(job(), wait_for);
            settle().await;
            // As by the socket of the exchange before.
            runners.waiting.borrow()[0].waker.wake_by_ref();
            settle().await;
            assert_eq!(runners.waiting.borrow().len(), 1);
            runners.run(job(), wait_for);
            settle().await;
            assert_eq!(seen.borrow().len(), 2, "the job was done");
        });
    }

    #[test]
    fn those_beyond_the_limit_those_sent_home_and_those_that_fail_end() {
        run(async {
            let (runners, seen) = (Rc::new(Runners::default()), Rc::default());
            let job = || (oneshot::channel().1, Rc::clone(&seen));
            for _ in 0..=MOST_WAITING {
                runners.run(job(), wait_for);
            }
            settle().await;
            assert_eq!(seen.borrow().len(), MOST_WAITING + 1);
            assert_eq!(runners.waiting.borrow().len(), MOST_WAITING);
            assert_eq!(Rc::strong_count(&runners), MOST_WAITING + 1);
            runners.send_home();
            settle().await;
            assert_eq!(Rc::strong_count(&runners), 1, "no task is left");
            runners.run(0, fail);
            settle().await;
            assert_eq!(Rc::strong_count(&runners), 1);
            // One that did jobs of another kind does none of these.
            runners.run(job(), wait_for);
            settle().await;
            runners.run(0, fail);
            runners.run(job(), wait_for);
            settle().await;
            assert_eq!(seen.borrow().len(), MOST_WAITING + 3);
        });
    }
}
