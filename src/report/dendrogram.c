/* dendrogram.png: the last merges of the tree, with what lies below them as leaves. */
#include "report/internal.h"

enum { LEAVES_MAX = 40, MERGES_MAX = LEAVES_MAX - 1 };

/* A merge as SciPy's linkage has it. */
typedef struct link {
    double node[2], height, size;
} link;

/* The top of a tree. */
typedef struct treetop {
    int64_t leaves; /* of the whole tree */
    int merges;     /* shown */
    link link[MERGES_MAX];
    double below[MERGES_MAX][2]; /* leaves under each side */
    double x[MERGES_MAX][2];     /* where each side stands */
    int shown;                   /* leaves so far */
} treetop;

/* The node as one of the merges shown; below 0: it is shown as a leaf. */
static int merge_of(const treetop *t, double node)
{
    double first = (double)(2 * t->leaves - 1 - t->merges);
    return node < first ? -1 : (int)(node - first);
}

/* Sizes of both sides, of which those that are leaves here have to be read. Collective. */
static tt_status read_sizes(tt_store *store, treetop *t)
{
    for (int i = 0; i < t->merges; i++)
        for (int side = 0; side < 2; side++) {
            double node = t->link[i].node[side];
            link l = {.size = 1};
            if (node >= (double)t->leaves)
                TT_TRY(
                    tt_store_read(store, "/agglomerative/linkage", (int64_t)node - t->leaves, 1, TT_F64, &l));
            t->below[i][side] = l.size;
        }
    return TT_OK;
}

/* Collective. t->merges stays 0 where the file has no tree. */
static tt_status read_top(const tt_comm *comm, const char *clusters, treetop *t)
{
    tt_store *store;
    tt_column column;
    bool found;
    TT_TRY(tt_store_open(comm, clusters, &store));
    tt_status s = tt_store_column(store, "/agglomerative/linkage", &column, &found);
    if (s == TT_OK && found && column.n_dims == 2 && column.dims[1] == 4 && column.dims[0] > 0) {
        t->leaves = column.dims[0] + 1;
        t->merges = column.dims[0] < MERGES_MAX ? (int)column.dims[0] : MERGES_MAX;
        s = tt_store_read(store, "/agglomerative/linkage", column.dims[0] - t->merges, t->merges, TT_F64,
                          t->link);
        if (s == TT_OK) s = read_sizes(store, t);
    }
    tt_store_close(store);
    return tt_agree(comm, s);
}

/* Leaves from left to right, each merge in the middle of its sides. @return where the merge stands */
static double place(treetop *t, int merge)
{
    for (int side = 0; side < 2; side++) {
        int below = merge_of(t, t->link[merge].node[side]);
        t->x[merge][side] = below < 0 ? t->shown++ : place(t, below);
    }
    return (t->x[merge][0] + t->x[merge][1]) / 2;
}

/* A merge that the cut keeps is in colour, one above it is grey. */
static void write_merge(plot *p, const treetop *t, int merge, int64_t cut)
{
    const link *l = &t->link[merge];
    unsigned colour = merge > t->merges - cut ? 0x9a9a9a : plot_colour(0);
    double foot[2];
    for (int side = 0; side < 2; side++) {
        int below = merge_of(t, l->node[side]);
        foot[side] = below < 0 ? 0 : t->link[below].height;
    }
    fprintf(p->to, "%g %.9g %u\n%g %.9g %u\n%g %.9g %u\n%g %.9g %u\n\n", t->x[merge][0], foot[0], colour,
            t->x[merge][0], l->height, colour, t->x[merge][1], l->height, colour, t->x[merge][1], foot[1],
            colour);
}

/* A line between the last merge that the cut keeps and the first that it does not, if both are shown. */
static void write_cut(plot *p, const treetop *t, int64_t cut)
{
    if (cut < 2 || cut > t->merges) return;
    double above = t->link[t->merges - cut + 1].height, below = t->link[t->merges - cut].height;
    fprintf(
        p->to,
        "set arrow from graph 0, first %.9g to graph 1, first %.9g nohead dt 2 lw 2 lc rgb '#%06x' front\n"
        "set label 1 'cut into %lld clusters' at graph 0.995, first %.9g right offset 0,0.6 font ',13' tc "
        "rgb "
        "'#%06x' front\n",
        (above + below) / 2, (above + below) / 2, plot_colour(5), (long long)cut, (above + below) / 2,
        plot_colour(5));
}

/* How many leaves of the tree each leaf shown stands for. */
static void write_tics(plot *p, const treetop *t)
{
    const char *separator = "set xtics scale 0 rotate by -60 (";
    for (int i = 0; i < t->merges; i++)
        for (int side = 0; side < 2; side++) {
            char text[32];
            if (merge_of(t, t->link[i].node[side]) >= 0) continue;
            fprintf(p->to, "%s'%s' %g", separator, plot_count((int64_t)t->below[i][side], text),
                    t->x[i][side]);
            separator = ", ";
        }
    fputs(")\n", p->to);
}

static tt_status draw_tree(const char *folder, const treetop *t, int64_t cut)
{
    plot p;
    char subtitle[160], leaves[32];
    TT_TRY(plot_begin(&p, folder, "dendrogram.png", 1600, 900));
    p.panel_left = 0.07;
    snprintf(subtitle, sizeof subtitle,
             "the last %d merges of %s leaves; below, how many leaves each branch has", t->merges,
             plot_count(t->leaves, leaves));
    plot_title(&p, "Tree of the agglomerative clustering", subtitle);
    fputs("$tree << EOD\n", p.to);
    for (int i = 0; i < t->merges; i++) write_merge(&p, t, i, cut);
    fputs("EOD\n", p.to);
    write_tics(&p, t);
    write_cut(&p, t, cut);
    fprintf(p.to,
            "set lmargin at screen 0.07\nset rmargin at screen 0.975\nset tmargin at screen 0.86\n"
            "set bmargin at screen 0.12\nset ylabel 'height of the merge'\nset grid noxtics ytics\n"
            "set xrange [-0.7:%g]\nset yrange [0:*]\n"
            "plot $tree using 1:2:3 with lines lw 2 lc rgb variable notitle\n",
            t->shown - 0.3);
    return plot_draw(&p, TT_OK);
}

tt_status report_dendrogram(const tt_comm *comm, const char *clusters, int64_t cut, const char *folder)
{
    treetop t = {0};
    if (file_is_there(comm, clusters)) TT_TRY(read_top(comm, clusters, &t));
    if (t.merges == 0) {
        leave_out(folder, "dendrogram.png", "there is no tree");
        return TT_OK;
    }
    place(&t, t.merges - 1);
    return tt_agree(comm, comm->rank == 0 ? draw_tree(folder, &t, cut) : TT_OK);
}
