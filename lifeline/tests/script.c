#include "script.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE 4096u
#define PER_CHUNK  (CHUNK_SIZE / 32 - 1)
#define TYPES      3
#define FIRST_LINE 100

static const char strings[] = "\0script.c\0scripted\0parent\0child\0sleeper";
enum { FILE_AT = 1, FUNCTION_AT = 10, PARENT_AT = 19, CHILD_AT = 26, SLEEPER_AT = 32 };

void script_start(struct script *s)
{
    memset(s, 0, sizeof *s);
    s->thread = 1;
}

uint32_t script_line(size_t index)
{
    return FIRST_LINE + (uint32_t)index;
}

void script_add(struct script *s, enum trace_kind kind, uint32_t task, uint32_t a, uint64_t b)
{
    assert(s->count < SCRIPT_MAX);
    s->time += 1000;
    s->records[s->count] = (struct format_record){
        .ticks = s->time,
        .b = b,
        .task = task,
        .a = a,
        .site = (uint16_t)(TYPES + 1 + s->lines),
        .thread = s->thread,
        .kind = kind,
        .worker = s->worker,
    };
    s->count++;
    s->lines++;
}

static void put_sites(unsigned char *to, size_t count)
{
    static const uint32_t labels[TYPES] = {PARENT_AT, CHILD_AT, SLEEPER_AT};
    struct format_site *sites = (struct format_site *)to;

    for (uint32_t i = 0; i < TYPES; i++)
        sites[i] = (struct format_site){FILE_AT, FUNCTION_AT, labels[i], i + 1};
    for (size_t i = 0; i < count; i++)
        sites[TYPES + i] = (struct format_site){FILE_AT, FUNCTION_AT, 0, script_line(i)};
}

/* Every thread gets chunks of its own, as from the recorder. */
static uint64_t put_chunks(const struct script *s, unsigned char *to)
{
    struct format_record *at[16] = {0};
    size_t left[16] = {0};
    uint64_t taken = 0;

    for (size_t i = 0; i < s->count; i++) {
        unsigned thread = s->records[i].thread % 16;

        if (left[thread] == 0) {
            *(struct format_chunk *)(to + taken * CHUNK_SIZE) = (struct format_chunk){.magic = FORMAT_CHUNK_MAGIC};
            at[thread] = (struct format_record *)(to + taken * CHUNK_SIZE) + 1;
            left[thread] = PER_CHUNK;
            taken++;
        }
        *at[thread]++ = s->records[i];
        left[thread]--;
    }
    return taken;
}

unsigned char *script_bytes(const struct script *s, size_t *size)
{
    uint64_t sites_size = (TYPES + s->lines) * sizeof(struct format_site);
    uint64_t strings_at = FORMAT_HEADER_SIZE + sites_size;
    uint64_t chunks_at = (strings_at + sizeof strings + 4095) / 4096 * 4096;
    uint64_t chunk_limit = s->count / PER_CHUNK + 16;
    unsigned char *bytes = calloc(1, chunks_at + chunk_limit * CHUNK_SIZE);
    struct format_header header = {
        .magic = FORMAT_MAGIC,
        .byte_order = FORMAT_BYTE_ORDER,
        .version = FORMAT_VERSION,
        .record_size = 32,
        .chunk_size = CHUNK_SIZE,
        .sites_offset = FORMAT_HEADER_SIZE,
        .site_count = TYPES + (uint32_t)s->lines,
        .pid = 42,
        .strings_offset = strings_at,
        .strings_size = sizeof strings,
        .chunks_offset = chunks_at,
        .chunk_limit = chunk_limit,
        .dropped = s->dropped,
        .flags = s->killed ? 0 : FORMAT_ENDED,
        .start_ns = s->start_ns,
        .ns_per_tick = 1ull << 32,
        .program = "script",
    };

    assert(bytes);
    put_sites(bytes + FORMAT_HEADER_SIZE, s->lines);
    memcpy(bytes + strings_at, strings, sizeof strings);
    header.chunks_taken = put_chunks(s, bytes + chunks_at);
    memcpy(bytes, &header, sizeof header);
    *size = chunks_at + header.chunks_taken * CHUNK_SIZE;
    return bytes;
}

void script_write(const struct script *s, const char *path)
{
    size_t size;
    unsigned char *bytes = script_bytes(s, &size);
    FILE *file = fopen(path, "wb");

    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) {
        perror(path);
        abort();
    }
    free(bytes);
}
