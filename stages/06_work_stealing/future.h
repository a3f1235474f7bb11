/* A future: work that can stop half-way and be asked to go on.
 *
 * It is a state machine in a struct of its own: this header first, then its inputs, the locals it keeps from one poll
 * to the next, its output, and an enum that says where it stopped. Nothing happens when one is made. It moves only
 * while somebody polls it, and a poll never waits: it goes as far as it can and answers
 *
 *   POLL_READY    the work is done and the output can be read in the concrete struct, or
 *   POLL_PENDING  it cannot go on now, and has left a waker with whatever it waits for.
 *
 * The life of a future:
 *
 *      future_init        future_poll: PENDING       future_poll: READY
 *   ------------> FRESH ----------------> STARTED ----------------------> FINISHED
 *                   |   \                    |                                |
 *                   |    \ moved             | future_drop                    | future_drop
 *                   |     +---> MOVED        v                                v
 *                   +--------------------> DROPPED <--------------------------+
 *
 * Before its first poll a future is plain data and may be moved (copied, if the original is not used again). From then
 * on it stays where it is: it may point into itself, and others may point at it. So a future must not point into
 * itself before its first poll. Rust calls this rule Pin. When it has finished it may be moved once more, as a value.
 *
 * A poll that answers POLL_READY has already let go of everything but the output. Drop lets go of what is left: in
 * FRESH the inputs, in STARTED also the locals, in FINISHED an output that nobody took. A future is dropped once.
 *
 * The functions are here and not in future.c, so that the compiler can make them part of their callers: a poll that has
 * nothing to do takes less time than the calls would. */
#ifndef FUTURE_H
#define FUTURE_H

#include "ids.h"
#include "trace.h"
#include "waker.h"

#include <stddef.h>
#include <stdint.h>

enum poll { POLL_PENDING, POLL_READY };

/* What a poll is told about the world: whom to wake. The waker is only lent; a future that keeps it clones it. */
struct context {
    const struct waker *waker;
};

struct future;

/* What all futures of one kind share. All types of a program lie side by side in one section of it, as sites do, so a
 * type has a number: its index there. A future names its type by that number, which takes two bytes where a pointer takes
 * eight; and a task that waits is little more than a few futures. */
struct future_type {
    const char *name;
    enum poll (*poll)(struct future *f, struct context *cx);
    void (*drop)(struct future *f); /* NULL: holds nothing that must be given back */
    const struct site *at;          /* where the type is defined */
} __attribute__((aligned(32)));     /* the size and the alignment agree, so the section is an array without gaps */

/* Defines `NAME_type`, as in: FUTURE_TYPE(countdown, countdown_poll, NULL); There is no other way to make one. */
#define FUTURE_TYPE(name, poll_function, drop_function)                                                                \
    FUTURE_TYPE_SITE(name, poll_function);                                                                             \
    static const struct future_type name##_type FUTURE_TYPE_SECTION = {#name, poll_function, drop_function,            \
                                                                       &name##_type_site}

/* The same for a type that a header declares, as in: extern const struct future_type yield_type; */
#define FUTURE_TYPE_SHARED(name, poll_function, drop_function)                                                         \
    FUTURE_TYPE_SITE(name, poll_function);                                                                             \
    const struct future_type name##_type FUTURE_TYPE_SECTION = {#name, poll_function, drop_function, &name##_type_site}

#define FUTURE_TYPE_SITE(name, poll_function)                                                                          \
    static const struct site name##_type_site SITE_SECTION = {__FILE__, #poll_function, #name, __LINE__, 0}
#define FUTURE_TYPE_SECTION __attribute__((section("future_types"), used))

/* The linker says where the section begins. Hidden: it is that of this program. */
extern const struct future_type __start_future_types[] __attribute__((visibility("hidden")));

enum future_phase { FUTURE_FRESH, FUTURE_STARTED, FUTURE_FINISHED, FUTURE_MOVED, FUTURE_DROPPED };

/* The first member of every concrete future, by convention named `base`. */
struct future {
    uint32_t id;   /* its number in recordings and messages, from 1 */
    uint16_t type; /* the number of its type: a program has at most 65,536 */
    uint8_t phase; /* enum future_phase */
};

static inline const struct future_type *future_type(const struct future *f)
{
    return &__start_future_types[f->type];
}

/* Makes the header of a new future. */
#define future_init(f, type) future_init_at(f, type, SITE("future_init"))
static inline void future_init_at(struct future *f, const struct future_type *type, const struct site *at)
{
    uint32_t id = id_new(ID_FUTURE);

    TRACE_AT(FUTURE_NEW, 0, trace_site_number(type->at), id, at);
    f->type = (uint16_t)(type - __start_future_types);
    f->id = id;
    f->phase = FUTURE_FRESH;
}

/* Aborts: says what was done to a future that is finished, moved or dropped already. */
_Noreturn void future_misused(const struct future *f, const char *what, const struct site *at);

/* One poll without a record of its own, for an executor that records the poll as its task's. */
static inline enum poll future_step(struct future *f, struct context *cx, const struct site *at)
{
    if (f->phase > FUTURE_STARTED)
        future_misused(f, "is polled", at);
    enum poll result = future_type(f)->poll(f, cx);
    if (f->phase > FUTURE_STARTED)
        future_misused(f, "comes out of its poll", at);
    f->phase = result == POLL_READY ? FUTURE_FINISHED : FUTURE_STARTED;
    return result;
}

/* Polls a future: by hand, or as a child of the one that is being polled. Aborts with the caller's line if the future
 * has finished, was moved away or dropped, be it by itself in this very poll. */
#define future_poll(f, cx) future_poll_at(f, cx, SITE(#f))
static inline enum poll future_poll_at(struct future *f, struct context *cx, const struct site *at)
{
    TRACE_AT(FUTURE_POLL_BEGIN, 0, 0, f->id, at);
    enum poll result = future_step(f, cx, at);
    TRACE_AT(FUTURE_POLL_END, 0, result, f->id, future_type(f)->at);
    return result;
}

/* Lets go of everything that the future holds, wherever it stopped. Not the struct itself: that is its owner's.
 * Aborts with the caller's line if it was moved away or dropped before. */
#define future_drop(f) future_drop_at(f, SITE(#f))
static inline void future_drop_at(struct future *f, const struct site *at)
{
    if (f->phase > FUTURE_FINISHED)
        future_misused(f, "is dropped", at);
    TRACE_AT(FUTURE_DROP, 0, trace_site_number(future_type(f)->at), f->id, at);
    if (future_type(f)->drop)
        future_type(f)->drop(f);
    f->phase = FUTURE_DROPPED;
}

#endif
