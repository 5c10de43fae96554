@TMP@/m:
  file.managed: [{contents: x}, {user: nouser}]
@TMP@/d:
  file.directory: [{user: nouser}, {group: nogrp}, {recurse: [user]}]
@TMP@/s:
  file.symlink: [{target: x}, {user: nouser}]
@TMP@/s2:
  file.symlink: [{target: x}, {user: nouser}]
@TMP@/r:
  file.recurse: [{source: 'salt://t'}, {user: nouser}]
@TMP@/h:
  file.hardlink: [{target: '@TMP@/f'}, {user: nouser}]
@TMP@/c:
  file.copy: [{source: '@TMP@/f'}, {user: nouser}]
@TMP@/f:
  file.managed: [{contents: x}, {user: nouser}]
@TMP@/sz:
  file.serialize: [{dataset: {a: 1}}, {user: nouser}]
