/* A recording, told as a sequence diagram: who takes part, and what passes between them, row by row.
 *
 * The model knows nothing of points, pages or colours; every output (Graphviz, Mermaid, text) is made from it. Each row
 * names the event that it comes from, so a reader can always go back to the recording. */
#ifndef DIAGRAM_H
#define DIAGRAM_H

#include "diagram_pool.h"
#include "recording.h"

enum actor_kind { /* in the order of the columns, from left to right */
                  ACTOR_USER,
                  ACTOR_FUTURE,
                  ACTOR_TASK,
                  ACTOR_QUEUE,
                  ACTOR_EXECUTOR,
                  ACTOR_REACTOR,
                  ACTOR_HELPER, /* a thread that is neither the main one nor a worker */
                  ACTOR_KERNEL,
                  ACTOR_PEER,
                  ACTOR_KINDS
};

struct actor {
    enum actor_kind kind;
    uint64_t number;        /* which task, queue, ...; ACTOR_ALL: all of this kind share one column */
    const char *name;       /* "Task 1" */
    const char *short_name; /* "task1", at most 6 characters, for narrow columns */
    const char *detail;     /* its type or source file, in small type under the name; may be "" */
    unsigned worker;        /* which worker's it is, or 0: those of one worker stand side by side */
    bool used;
};

#define ACTOR_ALL UINT64_MAX
#define NOBODY    (-1)

enum row_kind {
    ROW_MESSAGE,
    ROW_NOTE, /* a remark of the program, at `from` */
    ROW_BAND, /* a phase begins; text is its title */
    ROW_LOOP, /* the rows up to ROW_LOOP_END were seen `repeat` times */
    ROW_LOOP_END,
    ROW_SILENT,  /* takes no room: a bar opens or closes where rows are left out */
    ROW_OMITTED, /* `repeat` messages are left out here; text says so */
};

enum row_style { STYLE_CALL, STYLE_REPLY, STYLE_WAKE, STYLE_INFERRED };

enum band_tint { TINT_SETUP, TINT_RUN, TINT_WAIT, TINT_WAKE };

struct row {
    enum row_kind kind;
    enum row_style style;
    int from, to;      /* actors; equal: a message to oneself */
    int opens;         /* the actor that a bar begins at with this row, or NOBODY */
    int closes;        /* the actor whose bar ends with this row, or NOBODY */
    uint16_t thread;   /* whose bar it is: threads may overlap at one actor */
    uint8_t tint;      /* of ROW_BAND: enum band_tint */
    uint8_t step;      /* 0, or which of the thirteen */
    int32_t fd;        /* of an inferred event: the descriptor, else -1 */
    uint32_t task;     /* of which task the step is; what a wake is for */
    const char *title; /* of the step */
    const char *text;
    size_t event;    /* index in the recording */
    uint64_t time;   /* of the event */
    uint64_t number; /* of the message, from 1, in the whole diagram */
    uint64_t repeat;
};

struct diagram {
    const struct recording *rec;
    struct pool pool; /* owns every string below */
    struct actor *actors;
    size_t actor_count;
    struct row *rows;
    size_t row_count;
    uint64_t messages;    /* rows of that kind, before anything was folded or left out */
    uint64_t not_drawn;   /* events of the shown tasks that have no arrow of their own (clones of wakers, ...) */
    uint64_t unknown;     /* events of kinds this version does not know */
    uint32_t focus;       /* the task whose steps are numbered, or 0 */
    uint64_t first, last; /* time of the first and of the last event */
    const char *title;
    const char *part;     /* which part of the recording is shown; NULL: all of it */
    const char *left_out; /* the workers that are not shown; NULL: none */
};

struct diagram_options {
    const uint32_t *tasks; /* show only these, if any */
    size_t task_count;
    uint64_t from, to; /* in ns of the recording; to 0: its end */
};

enum { DIAGRAM_STEPS = 13 };

/* Builds the whole diagram of a recording, which must outlive it. Memory running out ends the program with one line. */
void diagram_build(struct diagram *d, const struct recording *rec, const struct diagram_options *options);
void diagram_free(struct diagram *d);

/* Leaves only the rows of events between two times, and the bars that are open then. */
void diagram_clip(struct diagram *d, uint64_t from, uint64_t to);

/* Folds rows that repeat: what stays is one round between ROW_LOOP and ROW_LOOP_END. */
void diagram_fold(struct diagram *d);

/* Keeps the first `head` and the last `tail` messages, and says in a row between them what is missing. */
void diagram_shorten(struct diagram *d, uint64_t head, uint64_t tail);

/* How many messages there are to draw now. */
uint64_t diagram_drawn(const struct diagram *d);

enum { DIAGRAM_FOOTERS = 5 };

/* What must be said under the picture: first about the recording; the others are warnings. Returns how many lines. */
unsigned diagram_footer(const struct diagram *d, struct pool *pool, const char *lines[DIAGRAM_FOOTERS]);

/* Whether nothing happened for so long, given the length of the recording, that a reader should be told. */
bool diagram_long_wait(uint64_t passed, uint64_t whole);

/* The label as it is drawn: cut, with dots, if it is absurdly long. */
const char *label_shown(struct pool *pool, const char *label);

#define GROUPED_SIZE 32

/* A number for people: "159,528". Returns text, which has GROUPED_SIZE bytes. */
const char *format_grouped(uint64_t number, char *text);

/* What a step means, in one sentence for a learner. */
const char *diagram_step_explained(unsigned step);

/* "executor.c" of "stages/04_epoll_reactor/executor.c". */
const char *file_base(const char *path);

#endif
