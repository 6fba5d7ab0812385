# Proves that what cargo calls fresh was made from the tree as it is. POSIX sh; coreutils or busybox.
#
# When cargo compiles an artifact of a package in the tree, proofs gets a line "<generation> <stamp>": the state of the
# tree it was made from, and which file it is, because builds with other flags put others under the same name. When
# cargo later calls it fresh, none of its inputs may have changed since. rustc names them in a dep-info file.

# What bounds the file of proofs: more artifacts than a workspace has, in several profiles and sets of features.
KEEP_PROOFS=10000

tab=$(printf '\t')

# "<fresh or compiled> <file> <executable> <folder of the package> <source> <kind>", with tabs between, for every
# artifact of the tree.
own_artifacts() {
    awk -v tree="$tree/" '
        function text(name, rest, end, found) {
            end = index($0, "\"" name "\":\"")
            if (!end) return ""
            rest = substr($0, end + length(name) + 4)
            while (match(rest, /^[^"\\]+|^\\./)) {
                found = found (RLENGTH == 2 && substr(rest, 1, 1) == "\\" ? substr(rest, 2, 1) : substr(rest, 1, RLENGTH))
                rest = substr(rest, RLENGTH + 1)
            }
            return found
        }
        function first(name, start, rest) {
            start = index($0, "\"" name "\":[\"")
            rest = substr($0, start + length(name) + 5)
            return start ? substr(rest, 1, index(rest, "\"") - 1) : ""
        }
        index($0, "{\"reason\":\"compiler-artifact\"") == 1 {
            manifest = text("manifest_path")
            if (index(manifest, tree) != 1) next
            folder = substr(manifest, length(tree) + 1)
            sub(/\/?Cargo\.toml$/, "", folder)
            print (index($0, "\"fresh\":true") ? "fresh" : "compiled") "\t" first("filenames") "\t" \
                text("executable") "\t" folder "\t" text("src_path") "\t" first("kind")
        }
    ' "$out/messages"
}

# "<file> <dep-info file>", with a tab between, for every artifact that cargo calls fresh. Beside one that cargo puts in
# place for another, it need not write dep-info: there is rustc's, for the crate in all the forms it was compiled in, in
# deps/ or, in the layout that gives each form a folder, in build/<package>/<hash>/out/.
dep_infos() {
    cut -f 2 "$work/artifacts" | sed 's|/[^/]*$||' | sort -u | while IFS= read -r folder; do
        printf '%s\n' "$folder"/*.d "$folder"/deps/*.d "$folder"/build/*/*/out/*.d
    done >"$work/infos"
    awk -F '\t' '
        function note(info) {
            if (info in infos) print $2 "\t" info
        }
        function note_forms(crate, count, found, i) {
            count = split(forms[crate], found, "\t")
            for (i = 1; i <= count; i++) print $2 "\t" found[i]
        }
        FILENAME == ARGV[1] {
            infos[$0]
            crate = $0
            if (sub(/\/(deps|build\/[^\/]*\/[^\/]*\/out)\//, "/", crate)) {
                sub(/(-[^-\/]*)?\.d$/, "", crate)
                forms[crate] = (crate in forms) ? forms[crate] "\t" $0 : $0
            }
            next
        }
        $1 == "fresh" {
            folder = name = $2
            sub(/[^\/]*$/, "", folder)
            sub(/.*\//, "", name)
            sub(/\.[^.]*$/, "", name)
            short = name
            sub(/^lib/, "", short)
            note($2 ".d")
            note(folder name ".d")
            if (short != name) note(folder short ".d")
            gsub(/-/, "_", name)
            gsub(/-/, "_", short)
            note_forms(folder name)
            if (short != name) note_forms(folder short)
        }
    ' "$work/infos" "$work/artifacts"
}

# Fails when an artifact that cargo calls fresh cannot be proved.
prove() {
    own_artifacts >"$work/artifacts"
    [ -e "$VOLUME/proofs" ] || : >"$VOLUME/proofs"
    awk -F '\t' '$3 != "" { print $1, $3 }' "$work/artifacts" >"$work/executables"
    dep_infos >"$work/dep_infos"
    cut -f 2 "$work/artifacts" | xargs stat -c '%i-%s-%Y %n' >"$work/stamps" 2>/dev/null || true
    ROOT=$root awk -v tree="$tree/" -v target="$target/" -v generation="$(cat "$VOLUME/generation")" -v keep="$KEEP_PROOFS" '
        BEGIN { root = ENVIRON["ROOT"] "/" }
        # As far as text goes, without "." and "..", relative to the tree; "?" outside of it.
        function normal(path, parts, count, i, kept, found) {
            if (substr(path, 1, 1) == "/") {
                if (index(path, tree) != 1) return "?"
                path = substr(path, length(tree) + 1)
            }
            count = split(path, parts, "/")
            kept = 0
            for (i = 1; i <= count; i++) {
                if (parts[i] == "..") { if (kept) kept-- }
                else if (parts[i] != "." && parts[i] != "") parts[++kept] = parts[i]
            }
            found = ""
            for (i = 1; i <= kept; i++) found = found (i > 1 ? "/" : "") parts[i]
            return found
        }
        # A program and a library of one package mostly have the same name, and so have their dep-info files.
        function is_library(path) {
            return path ~ /\.(rlib|rmeta|so|dylib|a)$/
        }
        # Read what a dep-info file names into inputs, unless it is of a program and the file a library, or the reverse.
        function read_inputs(file, info, line, lines, count, has_library, i) {
            count = has_library = 0
            while ((getline line <info) > 0) {
                if (substr(line, 1, 1) == "#") continue
                gsub(/\\ /, "\001", line)
                lines[++count] = line
                # A line without inputs is that of an input.
                if (sub(/: .*/, "", line) && is_library(line)) has_library = 1
            }
            close(info)
            if (!count || has_library != is_library(file)) return
            for (i = 1; i <= count; i++) read_words(file, lines[i])
            known[file]
        }
        # Paths are relative to the root or to the tree.
        function read_words(file, line, words, count, i) {
            count = split(line, words, " ")
            for (i = 1; i <= count; i++) {
                gsub("\001", " ", words[i])
                sub(/:$/, "", words[i])
                inputs[file, normal(words[i])]
                if (substr(words[i], 1, 1) != "/") inputs[file, normal(root words[i])]
            }
        }
        # An input may be a folder, of a build script.
        function is_input(file, path) {
            while (path != "") {
                if ((file, path) in inputs) return 1
                if (!sub(/\/[^\/]*$/, "", path)) path = ""
            }
            return (file, "") in inputs
        }
        # Without dep-info it may have read all that is in its folder; a build script is known by its source.
        function concerns(path) {
            if (file in known) return is_input(file, path)
            if (field[6] == "custom-build") return path == normal(field[5])
            return field[4] == "" || index(path, field[4] "/") == 1
        }
        function culprit(since, path) {
            for (path in changed) if (changed[path] > since && concerns(path)) return path
            return ""
        }
        FILENAME == ARGV[1] { changed[substr($0, index($0, " ") + 1)] = $1 + 0; next }
        FILENAME == ARGV[2] { stamp[$2] = $1; next }
        FILENAME == ARGV[3] { tab = index($0, "\t"); read_inputs(substr($0, 1, tab - 1), substr($0, tab + 1)); next }
        FILENAME == ARGV[4] { lines[++count] = $0; if (!($2 in proof)) proof[$2] = $1 + 0; next }
        {
            split($0, field, "\t")
            file = field[2]
            id = stamp[file]
            if (field[1] == "compiled") { print generation, id; seen[id]; next }
            # Cargo was called twice, the second time for doctests.
            if (file in stamp && id in seen) next
            if (!(file in stamp) || !(id in proof)) why = "it is not known what it was made from"
            else if (proof[id] >= generation) next
            else {
                path = culprit(proof[id])
                if (path == "") next
                why = path " has changed since"
            }
            print "pytest-dagger-rust: cargo calls " substr(file, length(target) + 1) " fresh, but " why >"/dev/stderr"
            failed = 1
        }
        END {
            for (i = 1; i <= count && i <= keep; i++) {
                split(lines[i], field, " ")
                if (!(field[2] in seen)) print lines[i]
            }
            exit failed
        }
    ' "$VOLUME/changes" "$work/stamps" "$work/dep_infos" "$VOLUME/proofs" "$work/artifacts" >"$VOLUME/proofs.part" || return 1
    mv "$VOLUME/proofs.part" "$VOLUME/proofs"
}

# What cannot be searched counts as a stub.
refuse_stubs() {
    zeros=$(printf x | grep -c -z x 2>/dev/null) || true
    while read -r _ path; do
        found=0
        has_marker "$path" || found=$?
        [ "$found" = 1 ] || fail 96 "$path is a stub, not the program"
    done <"$work/executables"
}

# By lines that end with zeros, of which a program is full: GNU grep is five times as fast then, and busybox's sees
# nothing behind a zero otherwise.
has_marker() {
    if [ "$zeros" = 1 ]; then
        grep -q -a -z -F -- "$marker" "$1"
    else
        tr '\0' '\n' <"$1" | grep -q -a -F -- "$marker"
    fi
}
