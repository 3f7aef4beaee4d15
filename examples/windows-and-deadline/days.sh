# Prints the days of this example, so that it does not grow old. Days are counted
# from the Monday of next week: sh days.sh HANDOVER DEADLINE NIGHT NIGHT
day() {
  n=$((8 - $(date +%u) + $1))
  date -d "+$n days" +%F 2>/dev/null || date -v "+${n}d" +%F
}
printf 'handover = "%s"\n' "$(day "$1")"
printf 'deadline = "%s"\n' "$(day "$2")"
printf 'nights   = ["%s", "%s"]\n' "$(day "$3")" "$(day "$4")"
