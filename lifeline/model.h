/* What a recording's program looked like at one moment: tasks, futures, queues, threads, what waits for what.
 *
 * A model begins empty and takes one event after the other; between two events anything can be asked of it. `check`
 * asks before each event whether it may happen; `stats` counts along; a stepper could stop anywhere.
 *
 * The model believes the recording: an event that contradicts it is taken as what really happened, so that one broken
 * rule does not break all that follow. */
#ifndef MODEL_H
#define MODEL_H

#include "recording.h"

#define NO_EVENT SIZE_MAX

enum { NO_QUEUE = UINT32_MAX };

struct model_task {
    uint32_t number;
    uint32_t runtime; /* index; MAP_NONE: spawned where no runtime was recorded */
    uint64_t future;  /* the one it was made of */
    size_t spawned;   /* that event, and so on: indices into the recording's events, or NO_EVENT */
    size_t ended;     /* ready or cancelled */
    size_t freed;
    size_t last_pending;   /* the last TASK_POLL_END that was pending */
    size_t last_woken;     /* the spawn, wake or abort that asks for the next poll, or asked for the last */
    size_t pushed;         /* the last QUEUE_PUSH */
    size_t last_event;     /* the last one that was about this task */
    unsigned state;        /* enum trace_state */
    bool ready, cancelled; /* how it ended */
    bool joined;
    bool woken; /* something asks for another poll */
    bool moved; /* its state word has changed since it was spawned */
    uint32_t polls;
    uint16_t polled_by; /* the thread that polls it, or 0 */
    uint16_t held_by;   /* the thread that took it out of a queue and has not yet polled or queued it, or 0 */
    uint16_t pushed_by;
    uint32_t queue;       /* the queue it lies in, or NO_QUEUE */
    uint32_t wakers;      /* that exist, beside those that are lent to a poll */
    uint32_t waits;       /* of these, left with a known source */
    uint32_t wakes_begun; /* wakes that have not ended yet */
    uint32_t guards;      /* locks that were taken in its polls and not given back */
    size_t last_guard;    /* where the last one was taken */
};

struct model_future {
    uint64_t number;
    size_t made;
    size_t dropped;
    uint32_t task; /* the task that was made of it, or 0 */
    uint32_t type; /* site */
    uint16_t polled_by;
    bool ready;
};

struct model_wait {
    uint32_t task;       /* number; 0: a waker that belongs to no task */
    uint32_t task_index; /* or MAP_NONE */
    uint32_t source;     /* enum trace_source */
    uint64_t number;
    size_t begun;
    bool over;
    uint32_t older; /* another wait at the same source, or MAP_NONE */
};

struct model_queue {
    uint32_t number;
    uint32_t runtime; /* that it was last popped in */
    uint64_t length;
    uint16_t popped_by; /* the last thread that took from it, or found it empty; 0: none ever */
    bool shared;        /* more than one thread did */
};

struct model_frame { /* something that has begun on a thread and not yet ended */
    uint16_t kind;   /* its BEGIN */
    uint32_t task, a;
    uint64_t b;
    size_t event;
    size_t pushed; /* of a wake: the QUEUE_PUSH in it, or NO_EVENT */
};

struct model_thread {
    bool introduced;
    uint32_t runtime; /* the one it works for, or MAP_NONE */
    struct model_frame *frames;
    size_t depth;
    bool takes;        /* it has looked into a queue for a task to run */
    size_t last_event; /* or NO_EVENT */
    uint32_t guards;   /* locks that it took outside of tasks and holds */
    size_t last_guard; /* where it took the last one */
    uint64_t wanted;   /* the lock that it waits for, or 0; and where it began to */
    size_t wanted_at;
    struct { /* the reactor's turn that goes on */
        uint32_t ready, fired;
        int64_t kernel_ready; /* what epoll_wait returned; -1: it was not called, or failed */
        uint32_t last_ready;  /* fd of the last READY, and its bits */
        uint32_t last_bits;
        bool deregistered; /* something was, so events that were collected before may be stale */
    } turn;
    int64_t result; /* of its last system call */
};

struct model_runtime {
    uint32_t stage;
    uint64_t features; /* enum trace_feature */
    size_t began, ended;
    uint16_t thread;
};

struct model_registration {
    int32_t fd;
    uint64_t number;
    unsigned watched; /* how often it was registered since it was last taken out: once for each direction */
    uint32_t runtime;
    size_t event;
};

struct model_timer {
    uint32_t number;
    uint64_t deadline;
    bool pending;
    size_t added;
};

struct model_lock {
    uint64_t number; /* a share of a lock that several may hold: the lock's number below, who holds it above */
    uint16_t holder; /* the thread that took it, or 0 */
    uint32_t task;   /* the task in whose poll that was, or 0 */
    size_t taken;
};

/* The lock itself, of a share of it. */
static inline uint32_t lock_of(uint64_t number)
{
    return (uint32_t)number;
}

struct model {
    const struct recording *rec;
    size_t at;          /* events taken so far */
    size_t last_unpark; /* or NO_EVENT */
    uint64_t unparks;
    uint64_t nudges; /* events that ended a turn of a reactor and were no descriptor of its */
    struct model_task *tasks;
    struct model_future *futures;
    struct model_wait *waits;
    struct model_queue *queues;
    struct model_runtime *runtimes;
    struct model_registration *registrations;
    struct model_timer *timers;
    struct model_lock *locks;
    struct model_thread *threads; /* [rec->threads + 1] */
    uint32_t task_count, future_count, wait_count, queue_count, runtime_count, registration_count, timer_count,
        lock_count;
    struct map task_map, future_map, wait_map, queue_map, registration_map, timer_map, lock_map; /* number -> index */
};

void model_init(struct model *m, const struct recording *rec);
void model_free(struct model *m);

/* Takes the recording's next event, number m->at. */
void model_step(struct model *m);

/* Each NULL when the recording has not mentioned it. A number that was used again names the newest of that number.
 * The pointers hold until the next model_step. */
struct model_task *model_task(const struct model *m, uint32_t number);
struct model_future *model_future(const struct model *m, uint64_t number);
struct model_queue *model_queue(const struct model *m, uint32_t number);
struct model_registration *model_registration(const struct model *m, int32_t fd);
struct model_timer *model_timer(const struct model *m, uint32_t number);
struct model_lock *model_lock(const struct model *m, uint64_t number);
struct model_runtime *model_runtime_of(const struct model *m, uint32_t thread);

/* The oldest wait at that source that is not over, or NULL. */
struct model_wait *model_wait(const struct model *m, uint32_t source, uint64_t number);

/* The innermost thing that goes on at a thread, or NULL; and the innermost of one kind. */
const struct model_frame *model_top(const struct model *m, uint32_t thread);
const struct model_frame *model_inside(const struct model *m, uint32_t thread, enum trace_kind begin);

/* The task that an event is about: its own number, or for what a poll does, the task that its thread polls. 0: none. */
uint32_t model_task_of(const struct model *m, const struct event *ev);

/* What the runtime that the thread belongs to, or the task's own, promises: enum trace_feature. 0: no runtime. */
uint64_t model_features(const struct model *m, uint32_t thread);
uint64_t model_task_features(const struct model *m, const struct model_task *task);

/* Whether the event's thread can do such a thing in the middle of that one, begun before. */
bool model_allows(const struct model *m, const struct model_frame *frame, const struct event *ev);

/* The kind that ends what this one begins, or 0; and the other way round. */
unsigned kind_end_of(unsigned begin);
unsigned kind_begin_of(unsigned end);

#endif
