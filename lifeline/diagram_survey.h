/* What must be known about a recording before its diagram can be told from front to back. */
#ifndef DIAGRAM_SURVEY_H
#define DIAGRAM_SURVEY_H

#include "map.h"
#include "recording.h"

#define NO_EVENT      SIZE_MAX
#define SURVEY_MAX_FD 65536 /* descriptors above are not followed */
#define SURVEY_QUEUES 4096  /* nor are queues with higher numbers */
#define SURVEY_MANY   UINT16_MAX

struct survey_future {
    uint16_t type; /* site of its type */
    uint32_t task; /* the task that it became, or inside whose polls it is polled; 0: neither */
    uint64_t root; /* polled by hand: the future around it that nobody polls but the program; may be itself; 0: none */
    bool alive;    /* while the survey is made: neither ready nor dropped so far */
};

struct survey_epoll {         /* an epoll set */
    uint16_t thread;          /* whose reactor's it is; 0: nobody's alone */
    uint16_t sleeper, looker; /* the only thread that waits in it, that looks into it at all; 0: none, or SURVEY_MANY */
    uint16_t worker;          /* it is the first, second, ... that was made in this runtime */
    bool watches;             /* it holds other sets */
};

struct survey {
    struct survey_future *futures; /* [future_count], by number */
    size_t future_count;
    size_t future_actors;       /* how many of them get a column of their own */
    bool nested;                /* only roots do: there are too many for all */
    size_t helper_actors;       /* threads that are neither first nor executors */
    size_t executors, reactors; /* threads that run one */
    uint16_t *task_types;       /* [task_count]: site of the future's type */
    size_t task_count;          /* highest number that is followed, and 1 */
    bool *executes;             /* [threads + 1]: the thread runs an executor */
    bool *turns;                /* [threads + 1]: the thread runs a reactor */
    bool *runs, *forwards;      /* [SURVEY_QUEUES]: what is popped there is polled; is only moved to another queue */
    struct map helpers;         /* number of a TRACE_SOURCE_THREAD -> the thread that let go of its waker */
    struct map alike;           /* futures that their type does not tell apart */
    bool *is_eventfd;           /* [SURVEY_MAX_FD] */
    size_t *next;               /* [count]: the same thread's next event, or NO_EVENT */
    size_t *ahead; /* [count]: of SYSCALL_BEGIN its end; of READY the next call on that descriptor that can use
                             it (its SYSCALL_BEGIN); else NO_EVENT */
    bool has_tasks;
    bool workers; /* threads that are workers run tasks, and only they */
    uint16_t
        *queue_taker; /* [SURVEY_QUEUES]: the only thread of a worker that takes from it, 0: none, or SURVEY_MANY */
    uint16_t *queue_filler; /* [SURVEY_QUEUES]: the same of who puts tasks into it */
    struct survey_epoll *epolls;
    size_t epoll_count;
    uint16_t *epoll_of; /* [count]: what event is about which of them: its index and 1, or 0 */
};

void survey_make(struct survey *s, const struct recording *rec);
void survey_free(struct survey *s);

/* Where a task of this number stands in arrays of task_count: 0 for one that the survey does not follow. */
size_t survey_task(const struct survey *s, uint32_t task);

/* The future with this number, or NULL for one that the survey does not follow. */
struct survey_future *survey_future(const struct survey *s, uint64_t number);

/* The future in whose column this one is drawn: itself, or the one around it; 0 if it has no column. */
uint64_t survey_future_column(const struct survey *s, uint64_t number);

/* Whether a future is not told by its type from others in its column: they were alive together. */
bool survey_future_alike(const struct survey *s, uint64_t number);

/* The thread of the worker whose queue it is; 0: it is everybody's, or no workers run. */
uint16_t survey_queue_owner(const struct survey *s, uint64_t queue);

/* The thread whose reactor the event at that index is about: makes, turns, nudges or closes it. 0: none that is known. */
uint16_t survey_epoll_owner(const struct survey *s, size_t event);

/* Whether that event is about an epoll set that only holds others: what it reports is asked of those in turns that follow. */
bool survey_epoll_watches(const struct survey *s, size_t event);

/* For survey_make: diagram_workers.c. */
void survey_queue_owners(struct survey *s, const struct recording *rec);
void survey_epolls(struct survey *s, const struct recording *rec);
size_t *survey_no_events(size_t count); /* an array of NO_EVENT */

/* The two CALL ARGS of a system call. */
int32_t call_first(const struct event *ev);
int32_t call_second(const struct event *ev);

#endif
