#include "memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static _Noreturn void give_up(void)
{
    fputs("lifeline: there is not enough memory for a recording of this size\n", stderr);
    exit(2);
}

void *memory_array(size_t count, size_t size)
{
    void *elements = calloc(count ? count : 1, size);

    if (!elements)
        give_up();
    return elements;
}

void *memory_more(void *elements, size_t count, size_t size)
{
    if (count & (count - 1))
        return elements;
    if (count > SIZE_MAX / size / 2)
        give_up();
    elements = realloc(elements, (count ? count * 2 : 1) * size);
    if (!elements)
        give_up();
    return elements;
}
