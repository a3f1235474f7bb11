/* From a number (a task, a future, a descriptor: whatever a recording holds) to a small index. */
#ifndef MAP_H
#define MAP_H

#include <stddef.h>
#include <stdint.h>

#define MAP_NONE UINT32_MAX

struct map {
    struct map_slot *slots; /* a power of two of them, at most two thirds in use */
    size_t size;
    size_t used;
};

/* The index stored for key, or MAP_NONE. An all-zero map is empty. */
uint32_t map_get(const struct map *map, uint64_t key);

/* Stores index (not MAP_NONE) for key, over what was there. Aborts when memory runs out. */
void map_put(struct map *map, uint64_t key, uint32_t index);

void map_free(struct map *map);

#endif
