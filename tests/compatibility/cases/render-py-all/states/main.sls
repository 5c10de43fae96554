#!py
def run():
    sls = {}
    sls['a'] = {'test.nop': [{'os': __grains__['os']}, {'p': __pillar__.get('k')}, {'e': __salt__['test.echo']('hi')}, {'s': __sls__}, {'env': __env__ if '__env__' in globals() else 'none'}, {'id': __opts__['id']}]}
    sls['include'] = ['s1']
    return sls
