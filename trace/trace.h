/* The recorder that every stage carries: what really happened, written as it happens.
 *
 *   TRACE=run.trace ./demo      records into run.trace; without the variable nothing is written
 *   TRACE_LIMIT=16M             bounds the file (default 64M); what did not fit is counted and said
 *   -DTRACE_OFF                 compiles every trace point to nothing
 *   -DHOOKS                     makes every trace point a place where a test can run the other side
 *
 * The file is a shared mapping, so a run that is killed at any instant leaves every event it had committed.
 * Its format is docs/recording.md. */
#ifndef TRACE_H
#define TRACE_H

#include "events.h"
#include "site.h"

#include <stdbool.h>
#include <stdint.h>

#define TRACE_STATES(before, after) ((uint32_t)(before) | (uint32_t)(after) << 16)
#define TRACE_ARGS(first, second)   ((uint64_t)(uint32_t)(first) | (uint64_t)(uint32_t)(second) << 32)

/* Nanoseconds on CLOCK_MONOTONIC: the clock that timers use and that a recording's times are given in. */
uint64_t trace_now(void);

#ifdef TRACE_OFF

/* sizeof evaluates nothing; it only keeps the compiler from calling the arguments' variables unused. */
#define TRACE(kind, task, a, b)        ((void)sizeof(task), (void)sizeof(a), (void)sizeof(b))
#define TRACE_AT(kind, task, a, b, at) ((void)sizeof(task), (void)sizeof(a), (void)sizeof(b), (void)sizeof(at))
#define trace_note(text, number)       ((void)sizeof(number))
#define trace_thread_name(name)        ((void)0)
#define trace_thread_name_at(at)       ((void)sizeof(at))
#define trace_worker(number)           ((void)sizeof(number))
#define trace_site_number(at)          ((void)sizeof(at), (uint32_t)0)

#else

/* TRACE: an event of the runtime's own, with this line as its site. TRACE_AT: one that a caller's line caused.
 * Arguments are evaluated at most once, and not at all where nothing is recorded: they must have no side effects. */
#define TRACE(kind, task, a, b) TRACE_AT(kind, task, a, b, SITE(""))

#ifdef HOOKS
#define TRACE_AT(kind, task, a, b, at) trace_point(TRACE_##kind, task, (uint32_t)(a), (uint64_t)(b), at)
#else
#define TRACE_AT(kind, task, a, b, at)                                                                                 \
    do {                                                                                                               \
        if (__builtin_expect(trace_on, 0))                                                                             \
            trace_emit(TRACE_##kind, task, (uint32_t)(a), (uint64_t)(b), at);                                          \
    } while (0)
#endif

/* A remark of the program itself, drawn as a note. text: a string literal. */
#define trace_note(text, number) TRACE_AT(NOTE, 0, 0, number, SITE(text))

/* Names the calling thread in recordings; to be called before its first event. name: a string literal. */
#define trace_thread_name(name)  trace_thread_name_at(SITE(name))

void trace_thread_name_at(const struct site *at);

/* Says which worker the calling thread is from now on (0: none); every event carries it. */
void trace_worker(unsigned number);

/* Set once, before main, and then only read. Hidden: it is in this program, so the compiler need not look it up. */
extern bool trace_on __attribute__((visibility("hidden")));

/* Commits one event of the calling thread. Any thread may call it, and any signal handler. It blocks, and makes system
 * calls, only where a thread needs more room: a few times at first, then once in 2,047 events. errno is left alone. */
void trace_emit(enum trace_kind kind, uint32_t task, uint32_t a, uint64_t b, const struct site *at);

/* The number of a site in the recording's table; 0 for NULL. */
uint32_t trace_site_number(const struct site *at);

#ifdef HOOKS
/* Called at every trace point of a build for tests, by whichever thread is there, before the event is recorded. What
 * the hook itself does comes to trace points too, and so to the hook again. */
typedef void trace_hook(void *arg, enum trace_kind kind, uint32_t task, uint32_t a, uint64_t b);

/* Installs the hook (NULL: none), at any time. A thread that is inside the old hook finishes it; so to put another hook
 * in its place, set NULL and let the threads come out first. */
void trace_set_hook(trace_hook *hook, void *arg);

void trace_point(enum trace_kind kind, uint32_t task, uint32_t a, uint64_t b, const struct site *at);
#endif

#endif

#endif
