/* Recordings written by hand, event by event, for tests. A script is a list of events; script_write makes a file of it,
 * by docs/recording.md and with no code of the recorder. */
#ifndef SCRIPT_H
#define SCRIPT_H

#include "../format.h"
#include "../../trace/events.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCRIPT_MAX 4096

struct script {
    struct format_record records[SCRIPT_MAX]; /* site: its line in script.c, numbered from 100 in steps of one */
    size_t count;
    size_t lines;    /* that events were given so far */
    uint64_t time;   /* of the last event, in ns */
    uint16_t thread; /* that the next event is on */
    uint16_t worker; /* and which worker it is; 0: none */
    bool killed;     /* the recording has no orderly end */
    uint64_t dropped;
    uint64_t start_ns; /* CLOCK_MONOTONIC when it began */
};

/* An empty script on thread 1. Types of futures (the a of FUTURE_NEW): 1 "parent", 2 "child", 3 "sleeper". */
void script_start(struct script *s);

/* Adds an event, 1 us after the last one. Its line is 100 plus its index: see script_line. */
void script_add(struct script *s, enum trace_kind kind, uint32_t task, uint32_t a, uint64_t b);

/* The source line that a script's event at index was given. */
uint32_t script_line(size_t index);

/* Writes the file. Aborts when that fails. */
void script_write(const struct script *s, const char *path);

/* The whole file as bytes, to be freed; its length in *size. */
unsigned char *script_bytes(const struct script *s, size_t *size);

#define STATES(before, after) ((uint32_t)(before) | (uint32_t)(after) << 16)
#define Q                     TRACE_STATE_QUEUED
#define R                     TRACE_STATE_RUNNING
#define D                     TRACE_STATE_DONE
#define A                     TRACE_STATE_ABORTED

#endif
