/* A place in somebody's source: which line asked for this.
 *
 * Every public call of the runtime is a macro that passes its own place along, so that a recording, a diagram and a
 * message about misuse all name the caller's line and not a line inside the runtime.
 *
 * All places of a program lie side by side in one section of it, so a place has a number (its index there) for free:
 * the recorder writes the table of places once, at its start, and every event then carries only the number. */
#ifndef SITE_H
#define SITE_H

#include <stdint.h>

struct site {
    const char *file; /* as the compiler was given it */
    const char *function;
    const char *label; /* what stood there: the argument's text, a name, or "" */
    uint32_t line;
    uint32_t unused;
} __attribute__((aligned(32))); /* the size and the alignment agree, so the section is an array without gaps */

#define SITE_SECTION __attribute__((section("trace_sites"), used))

/* The place of this very line. label: a string literal. */
#define SITE(label)                                                                                                    \
    __extension__({                                                                                                    \
        static const struct site site_here SITE_SECTION = {__FILE__, __func__, label, __LINE__, 0};                    \
        &site_here;                                                                                                    \
    })

/* Says on standard error, in one line, what was misused and where, and aborts: `demo.c:41: misuse: ...`. */
_Noreturn void misuse(const struct site *at, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
