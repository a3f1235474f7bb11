/* A recording, read for the recorder's own tests: by docs/recording.md, and with no code of the recorder. */
#ifndef READING_H
#define READING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reading_header {
    char magic[8];
    uint32_t byte_order, version, record_size, chunk_size;
    uint64_t sites_offset;
    uint32_t site_count, pid;
    uint64_t strings_offset, strings_size, chunks_offset, chunk_limit, chunks_taken, dropped;
    uint32_t flags, reserved;
    uint64_t start_ticks, start_ns, end_ticks, end_ns, ns_per_tick, start_unix_ns;
    char program[64];
    uint64_t first_dropped;
};

struct reading_record {
    uint64_t ticks, b;
    uint32_t task, a;
    uint16_t site, thread, kind, worker;
};

struct reading {
    unsigned char *bytes;
    size_t size;
    struct reading_header header;
    struct reading_record *records; /* the committed ones, as they lie in the file */
    size_t count;
    uint64_t chunks; /* in use */
};

/* Fails the test if there is no file, or a damaged one. False: its magic was never written, the run was killed. */
bool reading_open(struct reading *r, const char *path);
void reading_close(struct reading *r);

/* Puts the records in the order of their ticks. */
void reading_sort(struct reading *r);

/* What stands in the site table; site 0 fails the test. */
const char *reading_label(const struct reading *r, unsigned site);
const char *reading_file(const struct reading *r, unsigned site);
const char *reading_function(const struct reading *r, unsigned site);
unsigned reading_line(const struct reading *r, unsigned site);

/* How many records there are of a kind; thread 0: of all threads. */
size_t reading_count(const struct reading *r, unsigned kind, unsigned thread);

#endif
