/* The search: runs the model again and again, and each time decides something differently.
 *
 * Wherever a run can go on in more than one way (which thread makes the next step, which store a load sees, whether a
 * wait ends for no reason) it asks choose(). The answers of a run are a path in a tree, kept in `path`. The first run
 * answers 0 everywhere; the next one repeats all answers but the last, which it raises; and so on, depth first, until
 * no answer can be raised. A run does nothing but what its answers say, so a failing run is repeated by its answers.
 *
 * Every run must start from the same memory. All static variables of the program, whoever's they are, are copied before
 * the first run and copied back before each. What must survive a run (the path) is reached through `search`, a pointer
 * that was set before the copy was made.
 *
 * With no bound on preemptions the number of orders explodes, and most of them differ only in the order of steps that
 * do not touch each other. Sleep sets (Godefroid) leave those out: when all runs in which thread A makes the next step
 * are done, and B's runs follow, A is put to sleep there, until somebody makes a step on which A's step depends: to
 * run A before that would repeat what was seen. With a bound they are not used: the run that shows a state within the
 * bound may be the very one that they leave out. */
#define _GNU_SOURCE
#include "search.h"

#include "core.h"
#include "explore.h"

#include "../trace/site.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { MAX_DECISIONS = 20000 };

struct decision {
    uint16_t taken, count;
    bool is_thread;               /* then: */
    uint8_t options[MAX_THREADS]; /* which thread each answer means */
    uint8_t asleep;               /* threads, as bits, whose step here would lead to nothing new */
};

static struct search {
    struct limits limits;
    struct verdict *verdict;
    bool replay;
    unsigned depth; /* of path */
    char *statics;  /* the copy */
    jmp_buf run_ends;
    struct decision path[MAX_DECISIONS];
} * search;

/* Of this run. */
static unsigned decided;
static uint8_t asleep;
static unsigned spurious_done, old_values;

/* ---- memory ---- */

extern char __data_start[], _end[]; /* where the linker put the static variables */

void *memory_reserve(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED) {
        perror("explore: mmap");
        exit(2);
    }
    return memory;
}

/* The compiler must not know that these bytes are the variables that it keeps in registers. */
static char *statics(void)
{
    char *start = __data_start;
    __asm__ volatile("" : "+r"(start) : : "memory");
    return start;
}

static size_t statics_size(void)
{
    return (size_t)(_end - __data_start);
}

static void statics_keep(void)
{
    search->statics = memory_reserve(statics_size());
    memcpy(search->statics, statics(), statics_size());
}

static void statics_restore(void)
{
    memcpy(statics(), search->statics, statics_size());
    (void)statics();
}

/* ---- decisions ---- */

static struct decision *decision_next(unsigned count)
{
    if (decided == MAX_DECISIONS)
        fail(NULL, "livelock: the run does not end: %u decisions so far", decided);
    struct decision *d = &search->path[decided++];
    if (decided > search->depth) {
        search->depth = decided;
        *d = (struct decision){.count = (uint16_t)count};
    } else if (search->replay) {
        d->count = (uint16_t)count;
    } else if (d->count != count) {
        fail(NULL, "the model is not deterministic: %u ways to go on where there were %u", count, d->count);
    }
    if (d->taken >= count)
        fail(NULL, "the schedule does not fit the model: decision %u has %u answers", decided - 1, count);
    return d;
}

unsigned choose(unsigned options, unsigned allowed)
{
    return options > 1 ? decision_next(search->replay ? options : allowed)->taken : 0;
}

static bool is_asleep(const struct decision *d, unsigned answer)
{
    return d->asleep & 1u << d->options[answer];
}

/* Goes on to the first answer from here on that leads to something new. False: there is none. */
static bool decision_settle(struct decision *d)
{
    if (d->is_thread)
        while (d->taken < d->count && is_asleep(d, d->taken))
            d->taken++;
    return d->taken < d->count;
}

/* Who of those asleep stays so when this thread makes its step. */
static uint8_t still_asleep(uint8_t threads, unsigned stepping)
{
    for (unsigned i = 0; i < MAX_THREADS; i++)
        if (threads & 1u << i && !steps_commute(i, stepping))
            threads &= (uint8_t) ~(1u << i);
    return threads;
}

unsigned choose_thread(const unsigned *options, unsigned count, bool may_differ)
{
    bool reduce = search->limits.preemptions == PREEMPTIONS_ALL && !search->replay;

    bool is_new = decided == search->depth;
    struct decision *d = decision_next(count);
    if (is_new || search->replay) {
        d->is_thread = true;
        d->asleep = reduce ? asleep : may_differ ? 0 : (uint8_t) ~(1u << options[0]);
        for (unsigned i = 0; i < count; i++)
            d->options[i] = (uint8_t)options[i];
    }
    if (!search->replay && !decision_settle(d)) {
        search->depth--;
        longjmp(search->run_ends, 1); /* all that can go on is asleep: this run repeats another */
    }
    if (reduce)
        asleep = still_asleep(d->asleep, options[d->taken]);
    return options[d->taken];
}

unsigned preemption_bound(void)
{
    return search->limits.preemptions;
}

bool choose_spurious(void)
{
    bool spurious = choose(2, spurious_done < search->limits.spurious ? 2 : 1);
    spurious_done += spurious;
    return spurious;
}

unsigned choose_age(unsigned count)
{
    unsigned age = choose(count, old_values < search->limits.old_values ? count : 1);
    old_values += age > 0;
    return age;
}

/* Raises the last answer that can be raised. False: everything was tried. */
static bool path_advance(void)
{
    for (; search->depth > 0; search->depth--) {
        struct decision *d = &search->path[search->depth - 1];
        if (d->is_thread)
            d->asleep |= (uint8_t)(1u << d->options[d->taken]);
        d->taken++;
        if (decision_settle(d))
            return true;
    }
    return false;
}

/* ---- a schedule as text: "12=1,40=2" says that decision 12 takes answer 1, 40 takes 2 and all others 0 ---- */

static void schedule_write(char *text, size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < decided && used < size; i++)
        if (search->path[i].taken)
            used += (size_t)snprintf(text + used, size - used, "%s%u=%u", used ? "," : "", i, search->path[i].taken);
    if (used == 0)
        snprintf(text, size, "0=0");
}

static void schedule_read(const char *text)
{
    unsigned at, answer;
    int used;

    while (sscanf(text, "%u=%u%n", &at, &answer, &used) == 2 && at < MAX_DECISIONS) {
        search->path[at].taken = (uint16_t)answer;
        text += used + (text[used] == ',');
    }
    if (*text) {
        fprintf(stderr, "this is not a schedule: %s\n", text);
        exit(2);
    }
    search->depth = MAX_DECISIONS;
}

/* ---- a run ---- */

static void run_fails(const void *pc, const char *format, va_list args)
{
    struct verdict *verdict = search->verdict;
    char place[512];

    verdict->failed = true;
    size_t used = (size_t)vsnprintf(verdict->reason, sizeof verdict->reason, format, args);
    schedule_write(verdict->schedule, sizeof verdict->schedule);
    place_name(pc, place, sizeof place);
    if (pc && used < sizeof verdict->reason)
        snprintf(verdict->reason + used, sizeof verdict->reason - used, ", at %s", place);
}

void fail(const void *pc, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    run_fails(pc, format, args);
    va_end(args);
    note_failure(search->verdict->reason);
    longjmp(search->run_ends, 1);
}

/* ---- what programs call when something is wrong ---- */

void explorer_misuse(const struct site *at, const char *format, ...) __attribute__((format(printf, 2, 3)));
void explorer_abort(void);
void explorer_assert_fail(const char *condition, const char *file, unsigned line, const char *function);

void explorer_misuse(const struct site *at, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fail(NULL, "misuse: %s (%s:%u)", text, at ? at->file : "?", at ? at->line : 0);
}

void explorer_abort(void)
{
    fail(CALLER, "broken: abort()");
}

void explorer_assert_fail(const char *condition, const char *file, unsigned line, const char *function)
{
    fail(NULL, "broken: assert(%s) in %s (%s:%u)", condition, function, file, line);
}

void explorer_broken(const char *condition, const char *file, int line)
{
    fail(NULL, "broken: %s (%s:%d)", condition, file, line);
}

unsigned explorer_choose(unsigned options)
{
    return choose(options, options);
}

/* fail() leaves a thread's stack by longjmp to here; the stacks are simply used anew by the next run. */
static void run_once(void (*run)(void))
{
    statics_restore();
    if (setjmp(search->run_ends) == 0) {
        memory_begin();
        threads_run(run);
        memory_check_leaks();
    }
    search->verdict->runs++;
}

static void search_init(const struct limits *limits, struct verdict *verdict)
{
    *verdict = (struct verdict){0};
    search = memory_reserve(sizeof *search);
    search->limits = *limits;
    search->verdict = verdict;
    memory_init();
    atomics_init();
    threads_init();
}

static void search_end(void)
{
    statics_restore();
    munmap(search->statics, statics_size());
    munmap(search, sizeof *search);
}

void search_all(void (*run)(void), const struct limits *limits, struct verdict *verdict)
{
    search_init(limits, verdict);
    statics_keep();
    do
        run_once(run);
    while (!verdict->failed && verdict->runs < limits->runs && !(verdict->complete = !path_advance()));
    search_end();
}

void search_replay(void (*run)(void), const char *schedule, const struct limits *limits, bool tell,
                   struct verdict *verdict)
{
    search_init(limits, verdict);
    search->replay = true;
    schedule_read(schedule);
    if (tell)
        steps_wanted();
    statics_keep();
    run_once(run);
    if (tell)
        steps_print();
    search_end();
}
