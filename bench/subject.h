/* What the subjects in C share: how they are called, how they answer, the clock and the measure of memory. */
#ifndef SUBJECT_H
#define SUBJECT_H

#include <stdint.h>

/* What a subject is asked to do, and what it found. */
struct work {
    uint64_t n;
    unsigned workers;

    double value;
    const char *unit;
    uint64_t checksum;
};

struct workload {
    const char *name;
    void (*run)(struct work *work); /* does it once, with its warm-up, and fills in the answer */
};

/* Main of a subject: reads the arguments, runs the workload, prints the line. Ends with a workload whose name is NULL. */
int subject_main(int argc, char **argv, const struct workload *workloads);

/* Prints the line. For a workload that cannot return: the program may end afterwards. */
void subject_answer(const struct work *work);

/* Ends the program with exit 1. */
_Noreturn void subject_fail(const char *what, int error);

/* error: 0 or -errno. */
static inline void must(int error, const char *what)
{
    if (error)
        subject_fail(what, error);
}

/* Memory that is freed by the caller; never NULL. */
void *subject_alloc(uint64_t count, uint64_t size);

/* The same, and its pages are there already: for the arrays of a workload, whose first touch is not to be measured. */
void *subject_alloc_touched(uint64_t count, uint64_t size);

/* ns on CLOCK_MONOTONIC */
uint64_t clock_ns(void);

/* The anonymous memory of this process that is really there, in bytes. */
uint64_t anonymous_bytes(void);

/* What task i gives. */
static inline uint64_t result(uint64_t i)
{
    return i * 2654435761 + 1;
}

#endif
