/* Counts and times, of each task and each thread: what `stats` prints and what `check` warns about. */
#ifndef TALLY_H
#define TALLY_H

#include "model.h"

struct tally_delays { /* of sorted numbers */
    uint64_t median, p99, highest;
    size_t count;
};

struct tally_task {
    uint32_t number;
    uint32_t runtime; /* index into the model's, or MAP_NONE */
    size_t spawned;   /* event */
    size_t last_poll; /* event */
    uint64_t polls;
    uint64_t wasted;      /* polls, other than the first, that ended Pending and had no effect that is recorded */
    uint64_t wakes;       /* that were not coalesced */
    uint64_t self_wakes;  /* of these, by the task itself, during its poll */
    uint64_t busy;        /* ns in polls */
    uint64_t born, ended; /* ns; ended is the end of the recording for a task that is not done */
    bool done;
    struct tally_delays delays; /* ns from a wake to the poll that it asked for */
};

struct tally_thread {
    uint64_t polls, steals, wakes;
    uint64_t busy;     /* ns in polls */
    uint64_t asleep;   /* ns parked, or in the kernel's wait for events or for a futex */
    uint64_t from, to; /* ns of its first and last event */
    uint64_t events;
};

struct tally_call {
    uint64_t count, failed;
    uint64_t time; /* ns */
};

enum { TALLY_CALLS = 64 };

enum tally_remark_kind { REMARK_GUARD, REMARK_LONG_POLL };

struct tally_remark { /* a moment worth a warning */
    enum tally_remark_kind kind;
    size_t event; /* index */
    uint32_t task;
    uint64_t value; /* ns of the poll; index of the event that took the lock */
};

struct tally {
    struct tally_task *tasks; /* in the order of their spawns */
    uint32_t task_count;
    struct tally_thread *threads; /* [rec->threads + 1] */
    struct tally_call calls[TALLY_CALLS];
    struct tally_delays delays;
    struct tally_remark *remarks;
    size_t remark_count;
};

/* long_poll: ns from which a poll that keeps others waiting is remarked upon. */
void tally_run(struct tally *tally, const struct recording *rec, uint64_t long_poll);
void tally_free(struct tally *tally);

#endif
