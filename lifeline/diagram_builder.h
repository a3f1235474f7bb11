/* Inside of diagram_build: shared by the files that tell the parts of the story. */
#ifndef DIAGRAM_BUILDER_H
#define DIAGRAM_BUILDER_H

#include "diagram.h"
#include "diagram_survey.h"

enum frame_kind {
    FRAME_RUN,
    FRAME_POLL,
    FRAME_FUTURE,
    FRAME_TURN,
    FRAME_PARK,
    FRAME_REGISTER,
    FRAME_WAKE,
    FRAME_CALL,
    FRAME_BRIEF_CALL
};

struct frame { /* what a thread is in the middle of */
    enum frame_kind kind;
    int actor;      /* who acts meanwhile */
    uint32_t task;  /* whose poll or wake it is; 0: nobody's */
    size_t begin;   /* the event that began it */
    size_t row;     /* and its row, or NO_EVENT */
    unsigned wakes; /* so far inside it; of a poll: by which the task wakes itself and changes nothing */
    bool titled;    /* the title of its row says what it did */
    bool shown;
};

struct thread_state {
    struct frame *frames;
    size_t depth;
    size_t last;        /* its event before the present one: index and 1, or 0 */
    unsigned let_go;    /* wakers that sources have let go of since it last used one */
    size_t inferred;    /* what its events READY up to this one follow from has been told */
    size_t quiet_until; /* its events up to this one have been told with an earlier one */
};

enum band_kind { BAND_NONE, BAND_SETUP, BAND_RUN, BAND_WAIT, BAND_CREATE, BAND_POLL, BAND_DROP };

struct band_state {
    enum band_kind kind;
    size_t row;      /* NO_EVENT: none is open */
    uint64_t number; /* of bands so far */
    unsigned runs, runtimes, spawns, polls, pending,
        events; /* runs of the whole diagram; the others since the band began */
    bool woken; /* the band began with a wake */
    bool last_ready;
};

enum task_life { TASK_UNKNOWN, TASK_RUNNABLE, TASK_WAITING, TASK_OVER };

struct builder {
    struct diagram *d;
    const struct recording *rec;
    const struct diagram_options *options;
    struct survey survey;
    struct thread_state *threads; /* [threads + 1] */
    struct thread_state *thread;  /* of the present event */
    const struct event *ev;
    size_t at;  /* its index */
    bool shown; /* whether rows of it are wanted */
    struct band_state band;
    uint8_t *life;              /* [task_count]: enum task_life */
    uint32_t *polls;            /* [task_count]: polls that began so far */
    bool *queued;               /* [task_count]: pushed since its last poll began */
    uint64_t runnable, waiting; /* how many of the shown tasks are so */
    uint16_t *fd_heard;         /* [SURVEY_MAX_FD]: 1 once something is known to have come in on it */
    uint16_t *fd_reactor;       /* [SURVEY_MAX_FD]: the thread whose reactor watches it, or 0 */
    struct map timer_reactor;   /* timer -> the thread whose reactor has it */
    struct map waiters;         /* source and number of a WAIT -> the thread itself that waits, in no poll */
    bool *left_out;             /* [threads + 1]: a worker that no shown task comes to */
    bool *taken;                /* [task_count]: a worker, or the executor, took it from a queue */
    bool *in_hand;              /* [task_count]: it was taken from a queue, and neither polled nor queued since */
    struct row nowhere;         /* what say() returns for a row that is not wanted */
};

/* Participants. Each returns the index of its actor, which it makes when it is first asked for. */
int actor_user(struct builder *b); /* the present thread outside of any executor */
int actor_executor(struct builder *b);
int actor_executor_of(struct builder *b, unsigned thread);
int actor_reactor(struct builder *b);
int actor_reactor_of(struct builder *b, unsigned thread); /* 0: that of the present thread */
int actor_task(struct builder *b, uint32_t task);
int actor_future(struct builder *b, uint64_t number); /* NOBODY if it has no column of its own */
int actor_queue(struct builder *b, uint64_t number);  /* its worker's executor, if it is only that worker's */
int actor_kernel(struct builder *b);
int actor_peer(struct builder *b);
int actor_helper(struct builder *b, uint64_t thread); /* NOBODY if there is no such thread */
int actor_now(struct builder *b);                     /* who acts in the present thread at this moment */

/* Notes the source file of the present event as where this actor is at home, unless one is known already. */
void actor_lives_here(struct builder *b, int actor);

/* Puts actors in the order of the columns and drops those that no row uses. */
void actors_arrange(struct diagram *d);

/* "read_some" for a future or task of that type; "future" if its type has no name. */
const char *type_name(const struct builder *b, uint16_t type);

/* Frames of the present thread. */
struct frame *frame_push(struct builder *b, enum frame_kind kind, int actor);
struct frame *frame_top(struct builder *b);                        /* NULL: none */
struct frame *frame_find(struct builder *b, enum frame_kind kind); /* the innermost of that kind, or NULL */

/* Takes off the innermost frame of that kind, and what was left open inside it. False: there is none. */
bool frame_pop(struct builder *b, enum frame_kind kind, struct frame *popped);

/* Adds a row for the present event; never NULL. */
struct row *say(struct builder *b, enum row_style style, int from, int to, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
size_t row_index(const struct builder *b, const struct row *row);

/* Marks a row as one of the thirteen steps of a task. */
void step_mark(struct row *row, unsigned step, uint32_t task, const char *title);

/* A bar begins at the receiver of this message / ends at its sender. */
struct row *row_opens(struct row *row);
struct row *row_closes(struct row *row);

/* Makes the rows of the present event: diagram_tell.c. */
void tell(struct builder *b);

/* System calls and what can be inferred from them: diagram_calls.c. */
void tell_call_begin(struct builder *b);
void tell_call_end(struct builder *b);

/* Phases: diagram_bands.c. bands_before is told of every shown event before its rows are made. */
void bands_before(struct builder *b);
void bands_finish(struct builder *b);

/* Steps of the task in focus: chosen and kept, those of others wiped out: diagram_steps.c. */
void steps_focus(struct diagram *d, const struct diagram_options *options);

#endif
