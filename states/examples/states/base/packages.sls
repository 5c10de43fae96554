# Programs that everybody expects to find.
base_packages:
  pkg.installed:
    - pkgs: {{ pillar.get('packages', ['curl', 'less', 'rsync']) | tojson }}
