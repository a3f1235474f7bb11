#include "diagram_pool.h"

#include "memory.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 65536 };

struct pool_block {
    struct pool_block *next;
    size_t used, size;
    char bytes[];
};

static char *pool_take(struct pool *pool, size_t size)
{
    struct pool_block *block = pool->blocks;

    if (!block || block->size - block->used < size) {
        size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;
        block = memory_array(1, sizeof *block + room);
        block->size = room;
        block->next = pool->blocks;
        pool->blocks = block;
    }
    block->used += size;
    return block->bytes + block->used - size;
}

static char *pool_print(struct pool *pool, const char *format, va_list args)
{
    char text[256];
    va_list again;

    va_copy(again, args);
    size_t length = (size_t)vsnprintf(text, sizeof text, format, args);
    char *kept = pool_take(pool, length + 1);
    if (length < sizeof text)
        memcpy(kept, text, length + 1);
    else
        vsnprintf(kept, length + 1, format, again);
    va_end(again);
    return kept;
}

const char *pool_format(struct pool *pool, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    const char *kept = pool_print(pool, format, args);
    va_end(args);
    return kept;
}

void pool_free(struct pool *pool)
{
    while (pool->blocks) {
        struct pool_block *block = pool->blocks;
        pool->blocks = block->next;
        free(block);
    }
}

/* The length of the valid UTF-8 letter at the start of a text, or 0. */
static size_t letter_length(const unsigned char *c)
{
    size_t length = c[0] < 0x80                   ? 1
                    : c[0] >= 0xc2 && c[0] < 0xe0 ? 2
                    : (c[0] & 0xf0) == 0xe0       ? 3
                    : c[0] >= 0xf0 && c[0] < 0xf5 ? 4
                                                  : 0;

    for (size_t i = 1; i < length; i++)
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    if (length == 3 && ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] >= 0xa0)))
        return 0; /* longer than needed, or half of a surrogate pair */
    if (length == 4 && ((c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4 && c[1] >= 0x90)))
        return 0;
    return length;
}

static void clean(unsigned char *c)
{
    while (*c) {
        size_t length = letter_length(c);
        if (length == 0)
            *c = '?';
        else if (*c < ' ' || *c == 127)
            *c = ' ';
        c += length ? length : 1;
    }
}

const char *pool_clean(struct pool *pool, const char *text)
{
    char *kept = pool_take(pool, strlen(text) + 1);

    memcpy(kept, text, strlen(text) + 1);
    clean((unsigned char *)kept);
    return kept;
}

const char *pool_vclean(struct pool *pool, const char *format, va_list args)
{
    char *kept = pool_print(pool, format, args);

    clean((unsigned char *)kept);
    return kept;
}

void pool_reset(struct pool *pool)
{
    struct pool_block *kept = pool->blocks;

    if (!kept)
        return;
    pool->blocks = kept->next;
    pool_free(pool);
    kept->next = NULL;
    kept->used = 0;
    pool->blocks = kept;
}
