/* The bytes of a recording, as docs/recording.md describes them. */
#ifndef FORMAT_H
#define FORMAT_H

#include <stddef.h>
#include <stdint.h>

#define FORMAT_MAGIC       "wakeful\n"
#define FORMAT_BYTE_ORDER  0x01020304u
#define FORMAT_VERSION     1
#define FORMAT_HEADER_SIZE 4096
#define FORMAT_CHUNK_MAGIC 0x4b4e4843u
#define FORMAT_ENDED       1u /* flags: the program ended in order */

struct format_header {
    char magic[8];
    uint32_t byte_order, version;
    uint32_t record_size, chunk_size;
    uint64_t sites_offset;
    uint32_t site_count, pid;
    uint64_t strings_offset, strings_size;
    uint64_t chunks_offset, chunk_limit, chunks_taken;
    uint64_t dropped;
    uint32_t flags, reserved;
    uint64_t start_ticks, start_ns;
    uint64_t end_ticks, end_ns;
    uint64_t ns_per_tick; /* 32 bits of fraction */
    uint64_t start_unix_ns;
    char program[64];
};
_Static_assert(offsetof(struct format_header, chunks_taken) == 72, "as in docs/recording.md");
_Static_assert(sizeof(struct format_header) == 208, "as in docs/recording.md");

struct format_site {
    uint32_t file, function, label; /* offsets into the strings */
    uint32_t line;
};

struct format_chunk { /* the first record of a chunk stands for its header */
    uint32_t magic;
    uint32_t zero[7];
};

struct format_record {
    uint64_t ticks;
    uint64_t b;
    uint32_t task;
    uint32_t a;
    uint16_t site;
    uint16_t thread;
    uint16_t kind; /* 0: not committed */
    uint16_t worker;
};
_Static_assert(sizeof(struct format_chunk) == 32 && sizeof(struct format_record) == 32, "as in docs/recording.md");

#endif
