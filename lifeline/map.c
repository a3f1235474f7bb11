#include "map.h"

#include "memory.h"

#include <stdlib.h>

struct map_slot {
    uint64_t key;
    uint32_t index_plus_one; /* 0: the slot is free */
};

static struct map_slot *find(const struct map *map, uint64_t key)
{
    size_t at = (key * 0x9e3779b97f4a7c15u >> 20) & (map->size - 1);

    while (map->slots[at].index_plus_one && map->slots[at].key != key)
        at = (at + 1) & (map->size - 1);
    return &map->slots[at];
}

static void grow(struct map *map)
{
    struct map larger = {.size = map->size ? map->size * 2 : 64, .used = map->used};

    larger.slots = memory_array(larger.size, sizeof *larger.slots);
    for (size_t i = 0; i < map->size; i++)
        if (map->slots[i].index_plus_one)
            *find(&larger, map->slots[i].key) = map->slots[i];
    free(map->slots);
    *map = larger;
}

uint32_t map_get(const struct map *map, uint64_t key)
{
    return map->size ? find(map, key)->index_plus_one - 1 : MAP_NONE; /* a free slot: 0 - 1 is MAP_NONE */
}

void map_put(struct map *map, uint64_t key, uint32_t index)
{
    struct map_slot *slot;

    if (map->used * 3 >= map->size * 2)
        grow(map);
    slot = find(map, key);
    map->used += slot->index_plus_one == 0;
    slot->key = key;
    slot->index_plus_one = index + 1;
}

void map_free(struct map *map)
{
    free(map->slots);
    *map = (struct map){0};
}
