#!/usr/bin/env bash
# demo-music.sh [DIR]: fetch real music from Debian packages and lay it out as DIR/GENRE/TRACK.ext (data/music).
#
# 480 MB come over the net and stay on disk.  What is there already is not fetched again, so a run that was broken off is
# resumed by running it again.  Nothing is installed and root is not needed.
#
# One label for each soundtrack, after its general style.  Coarse, and the soundtracks also differ in more than style:
#   orchestral   Battle for Wesnoth: symphonic fantasy scores
#   electronic   Warzone 2100: industrial and techno
#   ambient      Endgame: Singularity: slow synthesizer pieces
#   adventure    HyperRogue: short melodic themes, one for each land
#   cartoon      Planet Blupi: cheerful MIDI arrangements
#   strategy     Advanced Strategic Command: three keyboard pieces
#   metal        Frets on Fire, Muldjord: death metal
#   game-rock    Frets on Fire, Sectoid: rock with synthesizers
# Frets on Fire keeps the guitar of a song in a file of its own: both parts are tracks here.
# Sound effects in the packages are left out.  A package that this Debian does not have is left out and said.
set -eu
dir=${1:-data/music}
mkdir -p "$dir" "$dir.packages"
dir=$(realpath "$dir") packages=$(realpath "$dir.packages")

# genre | package (the newest that matches is taken) | folder of its tracks
sources() {
    cat <<'ROWS'
orchestral|wesnoth-1.*-music|games/wesnoth/*/data/core/music
electronic|warzone2100-music|games/warzone2100/music
ambient|singularity-music|games/singularity/music
adventure|hyperrogue-music|hyperrogue/music
cartoon|planetblupi-music-ogg|planetblupi/music
strategy|asc-music|games/asc/music
metal|fretsonfire-songs-muldjord|games/fretsonfire/data/songs/muldjord
game-rock|fretsonfire-songs-sectoid|games/fretsonfire/data/songs/sectoid
ROWS
}

die() {
    echo "demo-music: $*" >&2
    exit 1
}

need_space() { # MB
    local free
    free=$(df -Pm "$dir" | awk 'NR == 2 { print $4 }')
    [ "$free" -ge "$1" ] || die "$dir has $free MB free; $1 MB are needed for fetching and unpacking"
}

fetch() { # package: leaves PACKAGE.deb, whole or not at all
    local part=$packages/part
    [ ! -e "$packages/$1.deb" ] || return 0
    rm -rf "$part"
    mkdir -p "$part"
    (cd "$part" && apt-get download -q "$1" >/dev/null 2>error) ||
        die "apt-get download $1 failed: $(grep -v '^W:' "$part/error" | tail -n 1)"
    mv "$part"/*.deb "$packages/$1.deb"
    rm -rf "$part"
}

# folder/armygeddon/song.ogg becomes armygeddon-song.ogg: a track's name is its path below the music folder
lay_out() { # genre package folder
    local unpacked=$packages/$2 track music
    rm -rf "$unpacked"
    dpkg -x "$packages/$2.deb" "$unpacked"
    mkdir -p "$dir/$1"
    music=$(compgen -G "$unpacked/usr/share/$3") # the folder of wesnoth holds a version
    cd "$music"
    find . -type f \( -name '*.ogg' -o -name '*.opus' -o -name '*.mp3' \) | sed 's|^\./||' | while read -r track; do
        mv "$track" "$dir/$1/${track//\//-}"
    done
    cd "$dir"
    touch "$packages/$2.done"
    rm -rf "$unpacked" "$packages/$2.deb"
}

if ! command -v apt-get >/dev/null; then
    die "the music comes in Debian packages, and this machine has no apt; lay out your own as $dir/GENRE/TRACK.ext"
fi
[ -n "$(find "$packages" -name '*.done')" ] || need_space 800

sources | while IFS='|' read -r genre pattern folder; do
    [ -z "$(compgen -G "$packages/$pattern.done")" ] || continue
    package=$(apt-cache pkgnames "${pattern%%\**}" | grep -x "${pattern//\*/[0-9]*}" | sort -V | tail -n 1 || true)
    if [ -z "$package" ]; then
        echo "demo-music: no package $pattern here, so no $genre" >&2
        continue
    fi
    fetch "$package"
    lay_out "$genre" "$package" "$folder"
done

for genre in "$dir"/*/; do
    printf '%-12s %3d tracks\n' "$(basename "$genre")" "$(find "$genre" -type f | wc -l)"
done
