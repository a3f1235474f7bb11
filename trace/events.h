/* Every kind of event that a recording can hold: number, name, what it says.
 *
 * The numbers are part of the file format (docs/recording.md) and never change; a gap is room for later stages.
 * `task` is the record's task number (0: none). `a` and `b` are its two arguments. The record's site is the line that
 * caused the event: the caller's for public calls, the runtime's own for what the runtime decides.
 *
 * Some arguments are made of two parts: STATES is `before | after << 16`, the task's state word on both sides of the
 * transition; CALL ARGS is `first | second << 32`, each taken as a signed 32-bit number. */
#ifndef EVENTS_H
#define EVENTS_H

#define TRACE_EVENTS(X)                                                                                                \
    /* the program */                                                                                                  \
    X(1, THREAD, "thread", "a thread records for the first time; a: its number at the OS; site label: its name")       \
    X(2, RUNTIME, "runtime", "a runtime starts; a: stage number, b: features (enum trace_feature)")                    \
    X(3, RUNTIME_END, "runtime_end", "that runtime was shut down in order")                                            \
    X(4, NOTE, "note", "a remark by the program; site label: the text, b: a number to show with it")                   \
    /* futures: b is the future's number */                                                                            \
    X(10, FUTURE_NEW, "future_new", "a future was made; a: site of its type (label: the type's name), b: future")      \
    X(11, FUTURE_POLL_BEGIN, "future_poll_begin", "somebody polls this future by hand or as a child; b: future")       \
    X(12, FUTURE_POLL_END, "future_poll_end", "that poll returned; a: 0 pending, 1 ready, b: future")                  \
    X(13, FUTURE_DROP, "future_drop", "the future gives up all that it holds; a: site of its type, b: future")         \
    /* tasks */                                                                                                        \
    X(20, TASK_SPAWN, "task_spawn", "a future became this task; a: site of the future's type, b: future")              \
    X(21, TASK_POLL_BEGIN, "task_poll_begin", "the executor polls the task; a: STATES, b: which poll, or 0")           \
    X(22, TASK_POLL_END, "task_poll_end", "that poll returned; a: STATES, b: 0 pending, 1 ready")                      \
    X(23, TASK_ABORT, "task_abort", "the task was told to stop; a: STATES")                                            \
    X(24, TASK_CANCELLED, "task_cancelled", "an aborted task ends without a further poll; a: STATES")                  \
    X(25, TASK_FREE, "task_free", "nothing refers to the task any more: its memory is given back")                     \
    X(26, BLOCK_ON_BEGIN, "block_on_begin", "the thread goes no further until this future is done; b: future")         \
    X(27, BLOCK_ON_END, "block_on_end", "that future is done: block_on returns to the caller; b: future")              \
    X(28, JOIN, "join", "the joining side took the task's output")                                                     \
    /* run queues: a is the queue's number, b its length after */                                                      \
    X(30, QUEUE_PUSH, "queue_push", "the task is about to be queued; a: queue, b: length with it")                     \
    X(31, QUEUE_POP, "queue_pop", "the task was taken (0: the queue is empty); a: queue, b: length left")              \
    X(32, QUEUE_STEAL, "queue_steal", "the task was moved, by a thief for instance; a: from queue, b: to queue")       \
    /* an executor's run */                                                                                            \
    X(35, RUN_BEGIN, "run_begin", "a thread runs the executor until no task is left; b: 1 if they are to be dropped")  \
    X(36, RUN_END, "run_end", "and returns: none is left")                                                             \
    /* wakers */                                                                                                       \
    X(40, WAKER_CLONE, "waker_clone", "one more waker of the task exists")                                             \
    X(41, WAKER_DROP, "waker_drop", "one waker of the task is gone without waking")                                    \
    X(42, WAKE_BEGIN, "wake_begin", "somebody is about to wake the task; b: 1 if it consumes the waker")               \
    X(43, WAKE_END, "wake_end", "the wake took effect; a: STATES (equal: coalesced), b: 1 if the waker is consumed")   \
    X(44, WAIT, "wait", "a waker of the task was left with a source; a: enum trace_source, b: its number")             \
    X(45, WAIT_END, "wait_end", "the source let go of that waker (task: means nothing); a, b: as in its WAIT")         \
    /* sleeping threads */                                                                                             \
    X(50, PARK_BEGIN, "park_begin", "the thread has nothing to do and goes to sleep")                                  \
    X(51, PARK_END, "park_end", "the thread is awake again")                                                           \
    X(52, UNPARK, "unpark", "somebody wakes a sleeping thread")                                                        \
    /* the reactor */                                                                                                  \
    X(60, REGISTER_BEGIN, "register_begin", "the reactor is to watch (more of) a descriptor; a: fd, b: registration")  \
    X(61, REGISTER_END, "register_end", "a: fd, b: 0 or -errno")                                                       \
    X(62, DEREGISTER, "deregister", "the reactor forgets a descriptor; a: fd, b: its registration")                    \
    X(63, TURN_BEGIN, "turn_begin", "the reactor looks for events; b: longest wait in ns, -1: for ever")               \
    X(64, TURN_END, "turn_end", "the reactor is done; a: descriptors that were ready, b: timers that fired")           \
    X(65, READY, "ready", "the kernel said this descriptor is ready; a: fd, b: epoll's event bits")                    \
    X(66, TIMER_ADD, "timer_add", "a: timer, b: its deadline in ns on the recording's clock")                          \
    X(67, TIMER_FIRE, "timer_fire", "its deadline has passed; a: timer, b: the deadline")                              \
    X(68, TIMER_CANCEL, "timer_cancel", "taken out before it fired; a: timer")                                         \
    /* system calls */                                                                                                 \
    X(70, SYSCALL_BEGIN, "syscall_begin", "a: enum trace_call, b: CALL ARGS")                                          \
    X(71, SYSCALL_END, "syscall_end", "a: enum trace_call, b: result or -errno")                                       \
    /* locks */                                                                                                        \
    X(80, GUARD_ACQUIRE, "guard_acquire", "the thread took a lock that blocks threads; b: the lock")                   \
    X(81, GUARD_RELEASE, "guard_release", "and gave it back; b: the lock")                                             \
    X(82, GUARD_WAIT, "guard_wait", "the thread finds a lock taken, and sleeps until it has it; b: the lock")

enum trace_kind {
#define X(number, NAME, name, says) TRACE_##NAME = number,
    TRACE_EVENTS(X)
#undef X
};

/* What a runtime promises, in a RUNTIME event: which contracts can be held against its recording. */
enum trace_feature {
    TRACE_HAS_WAKES = 1,    /* a Pending task is polled again only after a wake */
    TRACE_HAS_REACTOR = 2,  /* the kernel wakes tasks through epoll */
    TRACE_HAS_WORKERS = 4,  /* several threads poll tasks */
    TRACE_HAS_STEALING = 8, /* idle workers take tasks from busy ones */
};

/* The bits of a task's state word that STATES carries. Stages 01 and 02 use only QUEUED, RUNNING and DONE. */
enum trace_state {
    TRACE_STATE_QUEUED = 1,  /* in a run queue, or about to be put there */
    TRACE_STATE_RUNNING = 2, /* being polled; where workers steal: held by a worker */
    TRACE_STATE_DONE = 4,    /* it will never be polled again */
    TRACE_STATE_ABORTED = 8, /* it is to be dropped instead of polled */
};

/* Where a waker waits, in WAIT and WAIT_END, and what their b is. */
enum trace_source {
    TRACE_SOURCE_READ = 1,   /* a descriptor that becomes readable; b: fd */
    TRACE_SOURCE_WRITE = 2,  /* a descriptor that becomes writable; b: fd */
    TRACE_SOURCE_TIMER = 3,  /* a timer of the reactor; b: timer */
    TRACE_SOURCE_JOIN = 4,   /* another task's end; b: that task */
    TRACE_SOURCE_THREAD = 5, /* a helper thread; b: its number, 0 if it has none */
    TRACE_SOURCE_SYNC = 6,   /* a lock, channel or the like; b: its number, of many waiters: + future << 32 */
    TRACE_SOURCE_OTHER = 7,
};

/* System calls, in SYSCALL_BEGIN and SYSCALL_END: number, name, what the two CALL ARGS are. */
#define TRACE_CALLS(X)                                                                                                 \
    X(1, SOCKET, "socket", "family, type")                                                                             \
    X(2, BIND, "bind", "fd, port")                                                                                     \
    X(3, LISTEN, "listen", "fd, backlog")                                                                              \
    X(4, ACCEPT, "accept4", "fd, 0")                                                                                   \
    X(5, CONNECT, "connect", "fd, port")                                                                               \
    X(6, RECV, "recv", "fd, room in bytes")                                                                            \
    X(7, SEND, "send", "fd, bytes")                                                                                    \
    X(8, READ, "read", "fd, room in bytes")                                                                            \
    X(9, WRITE, "write", "fd, bytes")                                                                                  \
    X(10, CLOSE, "close", "fd, 0")                                                                                     \
    X(11, SHUTDOWN, "shutdown", "fd, how")                                                                             \
    X(12, EPOLL_CREATE, "epoll_create1", "0, 0")                                                                       \
    X(13, EPOLL_CTL, "epoll_ctl", "fd, operation: 1 add, 2 delete, 3 modify")                                          \
    X(14, EPOLL_WAIT, "epoll_wait", "epoll fd, longest wait in microseconds, -1: for ever")                            \
    X(15, EVENTFD, "eventfd", "0, 0")                                                                                  \
    X(16, GETSOCKOPT, "getsockopt", "fd, option")                                                                      \
    X(17, SETSOCKOPT, "setsockopt", "fd, option")                                                                      \
    X(18, FUTEX_WAIT, "futex_wait", "0, expected value")                                                               \
    X(19, FUTEX_WAKE, "futex_wake", "0, how many")                                                                     \
    X(20, GETSOCKNAME, "getsockname", "fd, 0")

enum trace_call {
#define X(number, NAME, name, args) TRACE_CALL_##NAME = number,
    TRACE_CALLS(X)
#undef X
};

#endif
