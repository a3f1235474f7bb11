/* A recording, read and put in order: what every command of lifeline works on. */
#ifndef RECORDING_H
#define RECORDING_H

#include "../trace/events.h"
#include "map.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct place { /* a line of source, from the recording's site table */
    const char *file;
    const char *function;
    const char *label;
    uint32_t line; /* 0: no place is known, and the strings are empty */
};

struct event {
    uint64_t time; /* ns since the recording began */
    uint64_t b;
    uint32_t task;
    uint32_t a;
    uint16_t site;
    uint16_t thread;
    uint16_t kind; /* enum trace_kind, or a number that this version does not know */
    uint16_t worker;
};

struct recording {
    const char *path;
    char program[65];
    uint32_t pid;
    bool ended_in_order; /* else it was killed, or crashed */
    uint64_t dropped;    /* events that found no room in the file */
    uint64_t start_unix_ns;
    uint64_t start_ns;    /* CLOCK_MONOTONIC when it began: deadlines are on that clock */
    struct place *places; /* [site_count + 1]; places[0] is "none" */
    uint32_t site_count;
    struct event *events; /* in the order in which they happened, see order.c */
    size_t count;
    size_t whole;     /* events[whole ...]: some threads had no more room, so what others did meanwhile is missing */
    uint32_t threads; /* highest thread number */
    uint32_t tasks;   /* highest task number: any 32-bit number, as the file says it */
    uint32_t workers; /* highest worker number */
    const char **thread_names; /* [threads + 1]; "" for a thread without one */
    uint16_t *thread_workers;  /* [threads + 1]: which worker the thread is, or 0 */
    struct map task_types;     /* task -> site of its future's type; see task_type */
    struct map future_types;
    char *strings;
};

/* Reads a whole recording and puts it in order. 0, or -errno with a one-line reason in error (a buffer of size bytes):
 * -EINVAL for a file that is no recording, is damaged, or is of another version or byte order. Nothing in the file is
 * trusted. recording_close frees all of it. */
int recording_open(struct recording *rec, const char *path, char *error, size_t size);
void recording_close(struct recording *rec);

/* The place that caused an event; never NULL. */
const struct place *event_place(const struct recording *rec, const struct event *ev);

/* The place with that number (the a of FUTURE_NEW, say), or the one that means "none"; never NULL. */
const struct place *recording_place(const struct recording *rec, uint32_t site);

/* The name of the type of a task's future, or of a future; "" when the recording does not say. */
const char *task_type(const struct recording *rec, uint32_t task);
const char *future_type(const struct recording *rec, uint64_t future);

const char *event_kind_name(unsigned kind); /* "wake_begin"; NULL for an unknown one */
const char *event_call_name(unsigned call); /* "epoll_ctl", or NULL */

/* Whether STATES (the a of a transition of a task's state word) is what this event's a means. */
bool event_has_states(const struct event *ev);

/* Whether it leaves the word alone: where workers hold tasks, holding on needs no change. It says running -> running,
 * whatever else is set; only an event that changes the word says what that is. */
bool event_leaves_state(const struct event *ev);

static inline unsigned states_before(uint32_t states)
{
    return states & 0xffff;
}

static inline unsigned states_after(uint32_t states)
{
    return states >> 16;
}

#endif
