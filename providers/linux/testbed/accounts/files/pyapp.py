#!/home/pyapp/venv/bin/python3.11
import sys
print("job", sys.version_info[:2])
