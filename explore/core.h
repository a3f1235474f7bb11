/* What the parts of the explorer share.
 *
 * A run is one execution of the model. Between runs all static variables of the program are put back to what they were
 * before the first (explore.c says how): those of the stages, those of the model, and the explorer's own. So a plain
 * `static` variable in these files is part of a run, and as new in each. What must outlive a run, or is too large to be
 * copied each time, lies in memory of memory_reserve. */
#ifndef CORE_H
#define CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAX_THREADS = 8 };

/* The place that called: what the explorer's entry points give as `pc`. */
#define CALLER __builtin_return_address(0)

#define NEVER UINT64_MAX /* a deadline */

/* ---- explore.c: the search ---- */

/* The next decision of this run, one of so many answers from 0; the search tries each that is below `allowed` in some
 * run. A schedule can be replayed whatever was allowed. */
unsigned choose(unsigned options, unsigned allowed);

/* The same for "who makes the next step". Unless may_differ only the first option is tried. */
unsigned choose_thread(const unsigned *options, unsigned count, bool may_differ);

/* Shall this wait end, or this weak compare-exchange fail, for no reason? */
bool choose_spurious(void);

/* Which of so many values shall a load return? 0 is the newest. */
unsigned choose_age(unsigned count);

/* How often a run may take the processor from a thread that could go on. */
unsigned preemption_bound(void);

/* The run has broken something: says what, and ends it. pc: where; NULL: not in one place. */
_Noreturn void fail(const void *pc, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Memory of the explorer's own that no run resets, of zeros; it costs nothing until it is used. */
void *memory_reserve(size_t size);

/* ---- threads.c: coroutines instead of threads ---- */

/* What a thread knows to have happened: of each thread all its steps up to that number. */
struct clock {
    uint32_t at[MAX_THREADS];
};

void clock_join(struct clock *to, const struct clock *from);

static inline bool clock_has(const struct clock *clock, unsigned thread, uint32_t step)
{
    return clock->at[thread] >= step;
}

/* What a step does to its object. Two steps on one object depend on each other unless both only look. */
enum op { OP_LOOK, OP_CHANGE };

struct thread {
    unsigned id;
    struct clock clock; /* .at[id] is the number of its own current step */

    /* the step that it is about to make */
    enum op op;
    const void *object;
    bool (*can_go)(const struct thread *thread); /* NULL: always */
    const void *pc;

    /* a sleep on the object: woken by another thread, or at the deadline */
    bool asleep;
    uint64_t deadline;

    /* to notice that it spins */
    const void *seen_pc;
    uint32_t seen_store, seen_times;
};

struct thread *me(void);

/* The calling thread is about to make a step: here others may be scheduled first. Returns when it is its turn. */
void point(enum op op, const void *object, bool (*can_go)(const struct thread *thread), const void *pc);

/* The step is made. What the thread does from now on is unknown to those who have learnt of the step. */
void point_done(void);

/* The thread makes no progress on its own: it is passed over until another one has changed something. */
void give_way(void);
void count_change(void);

/* Sleeps on the object until wake() or the deadline; true: it was the deadline. Inside a step. */
bool sleep_on(const void *object, uint64_t deadline, const void *pc);
unsigned sleepers(const void *object);
struct thread *sleeper(const void *object, unsigned index); /* the index-th of them, in order of their numbers */
void wake(struct thread *thread);

/* The model's time in ns: it goes on only when a deadline comes. */
uint64_t clock_now(void);

/* Do the next steps of these two lead to the same in either order? */
bool steps_commute(unsigned a, unsigned b);

void threads_init(void);               /* once, before the first run */
void threads_run(void (*first)(void)); /* a run; returns when all threads have ended */

/* ---- memory.c: atomics. plain.c: all other memory ---- */

enum access { ACCESS_READ = 0, ACCESS_WRITE = 1, ACCESS_ATOMIC = 2 }; /* bits */

/* Fails on a data race, and on memory that was freed. */
void check_access(const void *address, size_t size, unsigned access, const void *pc);

/* The calling thread is at a trace point, of a run that is recorded, and finds out what to record. None of that is a step,
 * for the schedule comes from a run without. */
bool is_tracing(void);
extern bool never_traced;

struct location; /* an atomic variable with its history */

/* Where the location that begins at this address is kept; NULL: the address is not the model's memory. */
struct location **location_slot(const void *address);
void locations_forget(const void *address, size_t size); /* they were written to by a plain store */

uint64_t value_read(const void *address, unsigned size);
void atomics_init(void);
void memory_init(void);  /* once, before the first run */
void memory_begin(void); /* of a run */
void *memory_stack(unsigned thread, size_t *size);
void memory_check_leaks(void);

/* ---- report.c: the steps of a run, to be told if it fails ---- */

/* Adds words to the current step: what it did. */
void tell(const void *pc, const char *format, ...) __attribute__((format(printf, 2, 3)));
void steps_wanted(void); /* once, before the first run; else nothing is kept */
void steps_print(void);
void place_name(const void *pc, char *text, size_t size); /* "file.c:12" */

/* The same for the recording of the run, if there is one. */
void note_thread(unsigned number); /* the calling thread begins */
void note_preemption(unsigned next);
void note_old_value(uint64_t value);
void note_failure(const char *reason);

#endif
