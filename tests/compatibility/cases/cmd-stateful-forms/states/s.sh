#!/bin/sh
echo "changed=yes comment='two words' k=v"
