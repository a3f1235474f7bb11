#include "reading.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void file_read(struct reading *r, const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        fail_msg("%s is not there", path);
    assert_int_equal(fstat(fd, &st), 0);
    r->size = (size_t)st.st_size;
    r->bytes = calloc(1, r->size + 1);
    assert_non_null(r->bytes);
    for (size_t done = 0; done < r->size;) {
        ssize_t got = read(fd, r->bytes + done, r->size - done);
        assert_true(got > 0);
        done += (size_t)got;
    }
    close(fd);
}

static void header_check(struct reading *r)
{
    struct reading_header *h = &r->header;

    assert_int_equal(h->byte_order, 0x01020304);
    assert_int_equal(h->version, 1);
    assert_int_equal(h->record_size, sizeof(struct reading_record));
    assert_int_equal(h->chunk_size % 4096, 0);
    assert_int_equal(h->chunks_offset % 4096, 0);
    assert_true(h->sites_offset + h->site_count * 16 <= r->size);
    assert_true(h->strings_offset + h->strings_size <= h->chunks_offset);
    assert_int_equal(r->bytes[h->strings_offset], 0);
    assert_int_equal(r->bytes[h->strings_offset + h->strings_size - 1], 0);
    r->chunks = h->chunks_taken < h->chunk_limit ? h->chunks_taken : h->chunk_limit;
    assert_true(h->chunks_offset + r->chunks * h->chunk_size <= r->size);
}

static void chunk_read(struct reading *r, const unsigned char *chunk)
{
    uint32_t magic;
    memcpy(&magic, chunk, sizeof magic);
    assert_true(magic == 0x4b4e4843 || magic == 0);
    for (size_t at = 32; at < r->header.chunk_size; at += sizeof(struct reading_record)) {
        struct reading_record record;
        memcpy(&record, chunk + at, sizeof record);
        if (record.kind == 0)
            continue;
        if (magic == 0 || record.thread == 0 || record.site > r->header.site_count)
            fail_msg("a damaged record of kind %u", record.kind);
        r->records[r->count++] = record;
    }
}

bool reading_open(struct reading *r, const char *path)
{
    *r = (struct reading){0};
    file_read(r, path);
    memcpy(&r->header, r->bytes, r->size < sizeof r->header ? r->size : sizeof r->header);
    if (memcmp(r->header.magic, "wakeful\n", sizeof r->header.magic) != 0) {
        reading_close(r);
        return false;
    }
    header_check(r);
    r->records = calloc(r->chunks * r->header.chunk_size / sizeof *r->records + 1, sizeof *r->records);
    assert_non_null(r->records);
    for (uint64_t i = 0; i < r->chunks; i++)
        chunk_read(r, r->bytes + r->header.chunks_offset + i * r->header.chunk_size);
    return true;
}

static int compare_ticks(const void *left, const void *right)
{
    const struct reading_record *l = left, *r = right;
    return (l->ticks > r->ticks) - (l->ticks < r->ticks);
}

void reading_sort(struct reading *r)
{
    qsort(r->records, r->count, sizeof *r->records, compare_ticks);
}

void reading_close(struct reading *r)
{
    free(r->bytes);
    free(r->records);
    r->bytes = NULL;
    r->records = NULL;
}

static uint32_t site_field(const struct reading *r, unsigned site, unsigned field)
{
    uint32_t value;
    assert_true(site > 0 && site <= r->header.site_count);
    memcpy(&value, r->bytes + r->header.sites_offset + (site - 1) * 16 + field * 4, sizeof value);
    return value;
}

static const char *site_string(const struct reading *r, unsigned site, unsigned field)
{
    uint32_t offset = site_field(r, site, field);
    assert_true(offset < r->header.strings_size);
    return (const char *)r->bytes + r->header.strings_offset + offset;
}

const char *reading_file(const struct reading *r, unsigned site)
{
    return site_string(r, site, 0);
}

const char *reading_function(const struct reading *r, unsigned site)
{
    return site_string(r, site, 1);
}

const char *reading_label(const struct reading *r, unsigned site)
{
    return site_string(r, site, 2);
}

unsigned reading_line(const struct reading *r, unsigned site)
{
    return site_field(r, site, 3);
}

size_t reading_count(const struct reading *r, unsigned kind, unsigned thread)
{
    size_t count = 0;
    for (size_t i = 0; i < r->count; i++)
        count += r->records[i].kind == kind && (thread == 0 || r->records[i].thread == thread);
    return count;
}
